"""What is measured: a detector that is trained hardly at all, and images like a camera's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import PIL.Image

from utad import UTAD
from utad.data.textures import TEXTURES, open_texture
from utad.types import Image, Sample

SIDE = 300
CALIBRATION_IMAGES = 64
"""Enough for covariances and coresets of their true size: 16,384 positions at 128 px."""

_CROPS = 8
_NOISE = 4.0


def camera_images(count: int, *, side: int = SIDE, seed: int = 0) -> Iterator[Image]:
    """Crops of the textures with seeded noise in each colour channel, so that no two are equal and none is grey.

    Args:
        count: of images.
        side: of each, in pixels.
        seed: of crops and noise.

    Yields:
        `(side, side, 3)` uint8.
    """
    crops = [
        np.asarray(PIL.Image.fromarray(sample.image).resize((side, side), PIL.Image.Resampling.BILINEAR))
        for name in TEXTURES
        for sample in open_texture(name, seed=seed, size=256, n_train=_CROPS, n_normal=0, n_anomalous=0).train
        if isinstance(sample.image, np.ndarray)
    ]
    rng = np.random.default_rng(seed)
    for index in range(count):
        noise = rng.standard_normal((side, side, 3), dtype=np.float32) * _NOISE
        yield np.clip(crops[index % len(crops)] + noise, 0, 255).astype(np.uint8)


def samples_of(images: Iterator[Image]) -> list[Sample]:
    """Images in memory as samples."""
    return [Sample(f"{index:05d}", image) for index, image in enumerate(images)]


def write_jpegs(folder: Path, count: int) -> list[Path]:
    """Writes that many images as JPEG of quality 90; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for index, image in enumerate(camera_images(count)):
        files.append(folder / f"{index:05d}.jpg")
        PIL.Image.fromarray(image).save(files[-1], quality=90)
    return files


def link_files(files: list[Path], folder: Path, count: int) -> Path:
    """A folder of `count` files, hard links of the given ones over and over."""
    folder.mkdir(parents=True)
    for index in range(count):
        os.link(files[index % len(files)], folder / f"{index:06d}.jpg")
    return folder


def fit_for_timing(preset: str, run: Path) -> Path:
    """Fits a detector with two steps per stage, which changes no time of scoring, and calibrates it in full.

    Args:
        preset: of the detector.
        run: the folder to write to.
    """
    stages = ("ie_training", "expert_training", "feature_training")
    short = [f"{stage}.{key}" for stage in stages for key in ("epochs=null", "steps=2")]
    UTAD(preset, overrides=[*short, "feature_training.examples=16"]).fit(
        samples_of(camera_images(CALIBRATION_IMAGES)), output=run
    )
    return run
