"""How far copies of an image differ, and different images of one kind: `utad.data.copies.LIKENESS` lies between.

    PYTHONPATH=benchmarks python benchmarks/experiments/copies.py SUITE/CATEGORY ... [--real-root DIR]

Of the training images of each category: the least difference of two, and the largest of an image and its JPEG, by
quality. Seconds each.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import PIL.Image
import torch

from measuring.experiments import add_run, experiment_parser, opened
from utad.data.copies import distances, reduced
from utad.data.reading import load_image
from utad.data.tensors import to_tensor
from utad.interpret.figures import to_8_bit
from utad.types import Category, Image

QUALITIES = (98, 95, 90, 75)
SHOWN = 120
"""Training images at the most."""


def encoded(image: Image, quality: int) -> Image:
    """An image after JPEG."""
    buffer = io.BytesIO()
    PIL.Image.fromarray(to_8_bit(image)).save(buffer, "JPEG", quality=quality)
    return np.array(PIL.Image.open(buffer))


def differences(category: Category, size: int) -> dict[str, float]:
    """Relative to the spread of each image, as `first_alike` compares them."""
    images = [load_image(sample) for sample in category.train[:SHOWN]]
    versions = [images, *([encoded(image, quality) for image in images] for quality in QUALITIES)]
    batch = torch.stack([to_tensor(image, size, 3) for version in versions for image in version])
    small, spread = reduced(batch)
    parts, count = small.split(len(images)), len(images)
    among = distances(parts[0], parts[0]) / spread[:count, None]
    among.fill_diagonal_(torch.inf)
    found = {"n_images": float(count), "two images, least": float(among.min())}
    for quality, part in zip(QUALITIES, parts[1:], strict=True):
        moved = distances(parts[0], part).diagonal() / spread[:count]
        found[f"JPEG {quality}, largest"] = float(moved.max())
    return {name: round(value, 4) for name, value in found.items()}


def main(argv: Sequence[str] | None = None) -> None:
    """Measures the categories, and adds them to the results."""
    arguments = experiment_parser(__doc__, "benchmarks/results/copies.json").parse_args(argv)
    for given in arguments.categories:
        category, config = opened(given, arguments)
        found = differences(category, config.image.size)
        print(given, found, flush=True)
        add_run(given, arguments, {"differences": found})


if __name__ == "__main__":
    main()
