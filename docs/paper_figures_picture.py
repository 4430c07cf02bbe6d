"""Makes the picture of intermediate results that README shows, from the model of `make demo`.

    python docs/paper_figures_picture.py [--model demo] [--page PAGE.html]

`--page` writes the latent map too; docs/images/latent-map.png is a part of what a browser shows of it, with an image
marked.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from utad import UTAD
from utad.data import open_category
from utad.data.reading import load_image
from utad.evaluation.figure_findings import reference_of, subjects_of
from utad.interpret.latent_map import latent_map
from utad.interpret.paper_figures import FIGURES, OURS, paper_figure
from utad.report.latent_page import latent_page, thumbnail_of

PICTURE = Path(__file__).parent / "images" / "figure-7.png"


def main() -> None:
    """Writes the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("demo"))
    parser.add_argument("--page", type=Path)
    arguments = parser.parse_args()
    detector = UTAD.load(arguments.model)
    category = open_category("textures", category="brick", seed=detector.config.seed)
    reference = reference_of(detector, category, 3)
    subjects = subjects_of(reference.choice, max_pixels=detector.config.image.max_pixels)
    figure = paper_figure(FIGURES[7], subjects, {OURS: reference.findings})
    figure.savefig(PICTURE, dpi=68)
    if arguments.page is not None:
        samples = {sample.name: sample for sample in category.test}
        thumbnails = [thumbnail_of(load_image(samples[one.name])) for one in reference.coded]
        page = latent_page(latent_map(reference.coded), thumbnails, title="Latent space: brick", seed=0)
        arguments.page.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
