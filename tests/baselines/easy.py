"""A set that any method can learn: smooth waves, and the same with a bright square."""

from __future__ import annotations

import numpy as np
import torch

from utad.evaluation.evaluate import evaluate_method
from utad.evaluation.methods import predictor_of
from utad.types import Category, Sample

SIZE = 64


def picture(seed: int) -> np.ndarray:
    """A grey wave that differs a little from one seed to the next, `(64, 64, 3)` uint8."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    wave = 120 + 40 * np.sin(6 * x + rng.uniform(-0.3, 0.3)) + 30 * np.cos(5 * y + rng.uniform(-0.3, 0.3))
    return np.repeat(wave.astype(np.uint8)[..., None], 3, axis=2)


def defective(seed: int) -> Sample:
    """A wave with a white square of 14 pixels, and its mask."""
    image = picture(seed)
    rng = np.random.default_rng(seed)
    top, left = rng.integers(5, 45, 2)
    mask = np.zeros((SIZE, SIZE), bool)
    mask[top : top + 14, left : left + 14] = True
    image[mask] = 255
    return Sample(f"bad/{seed}", image, anomalous=True, defect="square", mask=mask)


def category() -> Category:
    """32 training images, 10 normal and 10 anomalous ones to test on."""
    train = tuple(Sample(f"train/{seed}", picture(seed), anomalous=False) for seed in range(32))
    normal = tuple(Sample(f"good/{seed}", picture(seed), anomalous=False) for seed in range(100, 110))
    return Category("easy", train, (*normal, *(defective(seed) for seed in range(200, 210))))


def image_auroc(method) -> float:
    """Image AUROC of a method that is fitted here on the easy set."""
    images = category()
    method.fit(images)
    return evaluate_method(predictor_of(method), images).image.auroc


def falls(losses: list[float], *, to: float = 0.7) -> bool:
    """Whether the mean of the last fifth of the losses lies below `to` times that of the first fifth."""
    part = max(1, len(losses) // 5)
    return float(np.mean(losses[-part:])) < to * float(np.mean(losses[:part]))


def waves(count: int, *, seed: int = 0) -> torch.Tensor:
    """Smooth grey images, (count, 1, 64, 64), that differ in phase and a little noise."""
    generator = torch.Generator().manual_seed(seed)
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    phase = 0.6 * torch.rand(count, 2, 1, 1, generator=generator)
    images = 0.5 + 0.15 * torch.sin(x / 8 + phase[:, 0]) + 0.15 * torch.cos(y / 6 + phase[:, 1])
    return (images + 0.01 * torch.randn(count, 64, 64, generator=generator))[:, None].clamp(0, 1)
