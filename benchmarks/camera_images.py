r"""Writes a category of fabricated camera images, which `utad benchmark folder` compares methods on.

    PYTHONPATH=benchmarks python benchmarks/camera_images.py DIR \
        [--size 3000x4000] [--train 60] [--test 100] [--defect 12]

In DIR/surface, in the layout of MVTec AD: rough grey surfaces to learn from, and others to test, every second of which
has a spot or scratch that is `--defect` pixels long, with its mask. What stands in an image depends on its number and
on nothing else. With the suite `folder`, which takes any folder of categories:

    utad benchmark folder --root DIR --methods utad,padim,patchcore --output TABLE \
        --set image.tile=auto --set image.smallest_defect=12

160 images of 3000 x 4000 pixels take about ten minutes and 1.6 GB.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from measuring.camera import texture, with_defect

CATEGORY = "surface"

_TRAINING, _TEST = 0, 20_000
"""Numbers of the first images; `tiles.py` has the same."""


def pictures(size: tuple[int, int], *, train: int, test: int, defect: int) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Every file by its name below the category, `(H, W)`; a mask after the image that it is of.

    Args:
        size: `(H, W)` of the images.
        train: images to learn from.
        test: images to test, half of them normal.
        defect: length of a defect in pixels.
    """
    for index in range(train):
        yield f"train/good/{index:03d}.png", _levels(texture(*size, _TRAINING + index))
    for index in range(test):
        surface = texture(*size, _TEST + index)
        if index % 2 == 0:
            yield f"test/good/{index:03d}.png", _levels(surface)
            continue
        changed = with_defect(surface, defect, _TEST + index)
        yield f"test/defect/{index:03d}.png", _levels(changed)
        yield f"ground_truth/defect/{index:03d}_mask.png", np.where(changed != surface, 255, 0).astype(np.uint8)


def _levels(surface: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.rint(surface).clip(0, 255).astype(np.uint8)


def main(argv: Sequence[str] | None = None) -> int:
    """Writes the images."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--size", default="3000x4000", metavar="HEIGHTxWIDTH")
    parser.add_argument("--train", type=int, default=60)
    parser.add_argument("--test", type=int, default=100)
    parser.add_argument("--defect", type=int, default=12)
    arguments = parser.parse_args(argv)
    height, width = (int(length) for length in arguments.size.split("x"))
    whole = arguments.folder / CATEGORY
    if whole.exists():
        parser.error(f"{whole} is there: name another folder, or remove it")
    made = pictures((height, width), train=arguments.train, test=arguments.test, defect=arguments.defect)
    for name, pixels in made:
        path = whole / name
        path.parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(pixels).save(path, compress_level=1)
    print(whole)
    return 0


if __name__ == "__main__":
    sys.exit(main())
