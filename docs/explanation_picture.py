"""Makes the picture of an explanation that README shows, from the model of `make demo`.

    python docs/explanation_picture.py [--model demo] [--kind scratch] [--page PAGE.html]

The first test image with a defect of that kind. `--page` writes its page too; docs/images/explanation-page.png is what
`chromium --headless --hide-scrollbars --window-size=880,1130 --screenshot=PNG PAGE.html` makes of it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from utad import UTAD
from utad.data import open_category
from utad.interpret.explanation_figure import explanation_figure
from utad.report.explanation_page import explanation_page

PICTURE = Path(__file__).parent / "images" / "explanation.png"


def main() -> None:
    """Writes the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("demo"))
    parser.add_argument("--kind", default="scratch")
    parser.add_argument("--page", type=Path)
    arguments = parser.parse_args()
    detector = UTAD.load(arguments.model)
    category = open_category("textures", category="brick", seed=detector.config.seed)
    explanation = detector.explain(next(sample for sample in category.test if sample.defect == arguments.kind))
    explanation_figure(explanation).savefig(PICTURE)
    if arguments.page is not None:
        arguments.page.write_text(explanation_page(explanation), encoding="utf-8")


if __name__ == "__main__":
    main()
