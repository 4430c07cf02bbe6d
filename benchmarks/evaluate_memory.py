"""The memory that `utad evaluate` takes on many large images: 1,000 of 4 megapixels within 2 GB.

    python benchmarks/evaluate_memory.py [--images N] [--side PIXELS] [--model MODEL] [--work DIR]

Fabricates a folder with normal and anomalous images and their masks, trains a detector on crops of them if none is
given, which says nothing of its quality, and evaluates a quarter of the images and all of them, each in a process of
its own. Exits with 1 where the peak is above the limit. Half an hour on two cores; 1 GB of disk.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import PIL.Image

from measuring.timing import in_fresh_process
from utad.types import Category, Sample

LIMIT_MB = 2048
DISTINCT = 8
"""Files of each kind; the others are further names of them, which read, decode and score as files of their own do."""

_SETTINGS = (
    *("ie_training.steps=0", "expert_training.steps=0", "feature_training.steps=20"),
    *("feature_training.examples=16", "calibration.synthetic_anomalies=20"),
)


def texture(side: int, rng: np.random.Generator) -> np.ndarray:
    """A colour image `(side, side, 3)` uint8 with structure on every scale that a file cannot compress away."""
    waves = np.sin(np.arange(side) / 11 + rng.uniform(0, 6))
    base = 127 + 40 * waves[:, None, None] * waves[None, :, None]
    noise = rng.standard_normal((side, side, 1), dtype=np.float32) * 12
    return np.clip(base + noise + np.array([10, 0, -10]), 0, 255).astype(np.uint8)


def fabricate(folder: Path, count: int, side: int) -> Category:
    """A folder of `count` images, every second one with a dark square and its mask."""
    rng = np.random.default_rng(0)
    for index in range(min(count, 2 * DISTINCT)):
        image, mask = texture(side, rng), np.zeros((side, side), np.uint8)
        if index % 2:
            top, left = rng.integers(0, side - side // 8, 2)
            image[top : top + side // 8, left : left + side // 8] //= 3
            mask[top : top + side // 8, left : left + side // 8] = 255
            PIL.Image.fromarray(mask).save(folder / f"{index:05d}_mask.png")
        PIL.Image.fromarray(image).save(folder / f"{index:05d}.jpg", quality=90)
    for index in range(2 * DISTINCT, count):
        for name in ("{:05d}.jpg", "{:05d}_mask.png")[: 1 + index % 2]:
            os.link(folder / name.format(index % (2 * DISTINCT)), folder / name.format(index))
    return named(folder, count)


def named(folder: Path, count: int) -> Category:
    """The first `count` images of such a folder, as test images."""
    test = [
        Sample(
            f"{index:05d}.jpg",
            folder / f"{index:05d}.jpg",
            anomalous=bool(index % 2),
            mask=folder / f"{index:05d}_mask.png" if index % 2 else None,
        )
        for index in range(count)
    ]
    return Category(name="large", train=(), test=tuple(test))


def train(model: str, side: int) -> None:
    """A detector of the preset `fast`, fitted to a few images as the test images are."""
    from utad import UTAD

    rng = np.random.default_rng(1)
    UTAD(overrides=_SETTINGS).fit([texture(side // 4, rng) for _ in range(20)], output=model)


def evaluated(model: str, folder: str, count: int, output: str) -> float:
    """What `utad evaluate` does with the first `count` images; the image AUROC."""
    from utad.evaluation.evaluate import evaluate_to_folder
    from utad.loading import load_detector

    report = evaluate_to_folder(load_detector(model), named(Path(folder), count), Path(output), dataset="large", seed=0)
    assert report.evaluation.image is not None
    assert report.evaluation.pixel is not None
    return report.evaluation.image.auroc


def main(argv: Sequence[str] | None = None) -> None:
    """Fabricates, evaluates twice, and prints the peaks and the growth."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--side", type=int, default=2000)
    parser.add_argument("--model", type=Path, help="of colour images; a fresh one if not given")
    parser.add_argument("--work", type=Path, help="where the images are made; a temporary folder if not given")
    arguments = parser.parse_args(argv)
    if arguments.images < 8:
        parser.error("needs at least 8 images")
    with tempfile.TemporaryDirectory(dir=arguments.work) as work:
        folder = Path(work) / "images"
        folder.mkdir()
        fabricate(folder, arguments.images, arguments.side)
        model = arguments.model
        if model is None:
            model = Path(work) / "run"
            in_fresh_process(train, str(model), arguments.side)
        peaks = {}
        for count in (arguments.images // 4, arguments.images):
            auroc, peaks[count] = in_fresh_process(evaluated, str(model), str(folder), count, f"{work}/out-{count}")
            print(f"{count} images of {arguments.side} x {arguments.side}: peak {peaks[count]:.0f} MB", flush=True)
            assert 0 <= auroc <= 1
    few, many = sorted(peaks)
    print(f"growth {1024 * (peaks[many] - peaks[few]) / (many - few):.0f} KB an image")
    if peaks[many] > LIMIT_MB:
        parser.exit(1, f"above the limit of {LIMIT_MB} MB\n")


if __name__ == "__main__":
    main()
