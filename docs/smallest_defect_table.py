"""Prints the table of README on how small a defect the model of `make demo` finds.

    python docs/smallest_defect_table.py [--model demo]

It is what `utad doctor RUN --normal FOLDER` says of the normal test crops of the brick wall.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from PIL import Image

from utad.cli.doctor import doctor
from utad.data import open_category
from utad.data.reading import load_image


def main() -> None:
    """Prints it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("demo"))
    model = parser.parse_args().model
    with tempfile.TemporaryDirectory() as folder:
        for sample in open_category("textures", category="brick").test:
            if not sample.anomalous:
                Image.fromarray(load_image(sample)).save(Path(folder) / f"{Path(sample.name).stem}.png")
        doctor(model, Path(folder))


if __name__ == "__main__":
    main()
