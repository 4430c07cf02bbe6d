"""How far an export is from the detector it was made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from utad.errors import checked
from utad.types import Image, Outcome, Sample

SCORE_SCALE = 0.5
"""Differences of scores are relative to the score, or to this where the score is smaller: 0 is a typical normal
image, and 0.5 the distance from it to the threshold."""

_SIZES = ((64, 64), (50, 70), (131, 97), (300, 300), (40, 333))

PredictSamples = Callable[[Sequence[Sample]], Iterable[Outcome]]


@dataclass(frozen=True)
class Parity:
    """The differences over some images.

    Attributes:
        images: what was compared on, in words.
        n_images: their number.
        score: largest difference of scores, relative as `SCORE_SCALE` says.
        score_median: the median of these differences.
        anomaly_map: largest difference of the normalised maps.
        labels_flipped: images that are called otherwise.
    """

    images: str
    n_images: int
    score: float
    score_median: float
    anomaly_map: float
    labels_flipped: int

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def compare(reference: PredictSamples, other: PredictSamples, samples: Sequence[Sample], *, images: str) -> Parity:
    """Runs both over the same images, in bounded memory.

    Args:
        reference: `predict_samples` of the detector.
        other: that of its export.
        samples: the images.
        images: what they are, in words.

    Raises:
        ImageReadError: naming a file that cannot be read.
    """
    scores: list[float] = []
    maps: list[float] = []
    flipped = 0
    for outcomes in zip(reference(samples), other(samples), strict=True):
        one, two = (checked(outcome) for _, outcome in outcomes)
        scores.append(abs(one.pred_score - two.pred_score) / max(abs(one.pred_score), SCORE_SCALE))
        maps.append(float(np.abs(one.anomaly_map - two.anomaly_map).max()))
        flipped += one.pred_label != two.pred_label
    return Parity(
        images=images,
        n_images=len(samples),
        score=max(scores, default=0.0),
        score_median=float(np.median(scores)) if scores else 0.0,
        anomaly_map=max(maps, default=0.0),
        labels_flipped=flipped,
    )


def fabricated_samples(side: int | None = None) -> list[Sample]:
    """A few images of several sizes, smooth and noisy, grey and coloured, the same each time.

    Args:
        side: of the tiles that images are cut into, of which one then has several; None where they are not.
    """
    sizes = _SIZES if side is None else (*_SIZES, (3 * side // 2, 2 * side + 1))
    return [
        Sample(f"fabricated {index}", _picture(*size, seed=index, grey=index % 2 == 1))
        for index, size in enumerate(sizes)
    ]


def _picture(height: int, width: int, *, seed: int, grey: bool) -> Image:
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / max(height, width) * generator.uniform(5, 25)
    waves = [127 + 60 * np.sin(x + phase) + 50 * np.cos(1.7 * y - phase) for phase in generator.uniform(0, 6, 3)]
    pixels = np.stack(waves, axis=-1) + generator.normal(0, 6, (height, width, 3))
    if grey:
        pixels[...] = pixels[..., :1]
    return np.clip(pixels, 0, 255).astype(np.uint8)
