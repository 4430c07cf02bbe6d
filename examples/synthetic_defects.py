"""Puts one defect of every kind into an image, with its exact mask: a first test of a detector without bad parts.

python examples/synthetic_defects.py IMAGE OUTPUT_FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from utad.data import DEFECTS, add_defect, read_image
from utad.interpret.figures import to_8_bit
from utad.interpret.png import write_png


def main(image: Path, output: Path) -> None:
    """Writes abnormal/KIND.png and masks/KIND.png."""
    original = read_image(image)
    for index, kind in enumerate(DEFECTS):
        defect = add_defect(original, kind, rng=np.random.default_rng(index))
        write_png(output / "abnormal" / f"{kind}.png", to_8_bit(defect.image))
        write_png(output / "masks" / f"{kind}.png", defect.mask)
        print(f"{kind}: {100 * defect.mask.mean():.1f} % of the pixels")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
