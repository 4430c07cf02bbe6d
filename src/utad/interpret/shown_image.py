"""An image that figures show, and what a method makes of it, as small as figures need it. Plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from utad.interpret.figures import thinned, to_8_bit
from utad.types import FloatMap, Image, Mask, Prediction

LONGEST = 320
"""Pixels of a picture's longer side; of larger ones every second, third, ... pixel is kept."""


@dataclass(frozen=True)
class Subject:
    """An image that figures show.

    Attributes:
        name: of its sample.
        kind: of defect, or `normal`.
        pixels: `(h, w, 3)` uint8.
        gt_mask: `(h, w)`; None where it is not known.
    """

    name: str
    kind: str
    pixels: NDArray[np.uint8] = field(repr=False)
    gt_mask: Mask | None = field(default=None, repr=False)

    @classmethod
    def of(cls, name: str, kind: str, image: Image, gt_mask: Mask | None) -> Subject:
        """From the whole image and its ground truth, `(H, W, 3)` and `(H, W)`."""
        small = _coarse(gt_mask) if gt_mask is not None else None
        return cls(name, kind, thinned(to_8_bit(image), LONGEST), small)


@dataclass(frozen=True)
class Finding:
    """What a method makes of a `Subject`, at the size of its pixels.

    Attributes:
        score: normalised.
        label: true when anomalous.
        anomaly_map: `(h, w)` float32, normalised.
        pred_mask: `(h, w)`.
        pictures: restored images by name, `(h, w, 3)` uint8; those that the method has.
        inside: `(h, w)`, what counts; None for all of it.
    """

    score: float
    label: bool
    anomaly_map: FloatMap = field(repr=False)
    pred_mask: Mask = field(repr=False)
    pictures: Mapping[str, NDArray[np.uint8]] = field(repr=False, default_factory=dict)
    inside: Mask | None = field(repr=False, default=None)

    @classmethod
    def of(cls, prediction: Prediction, further: Mapping[str, NDArray[np.uint8]]) -> Finding:
        """From a prediction, and further pictures `(H, W, 3)` uint8 by name."""
        pictures = {**prediction.pictures, **further}
        return cls(
            score=prediction.pred_score,
            label=prediction.pred_label,
            anomaly_map=thinned(prediction.anomaly_map, LONGEST),
            pred_mask=_coarse(prediction.pred_mask),
            pictures={name: thinned(picture, LONGEST) for name, picture in pictures.items()},
            inside=thinned(prediction.inside, LONGEST) if prediction.inside is not None else None,
        )

    @property
    def caption(self) -> str:
        """Score and verdict."""
        shown = round(self.score, 2) + 0.0  # no -0.00
        return f"{shown:.2f}: {'anomalous' if self.label else 'normal'}"


def _coarse(mask: Mask) -> Mask:
    """A mask as large as the thinned pixels; no line in it is lost, however thin."""
    from skimage.measure import block_reduce

    step = -(-max(mask.shape) // LONGEST)
    found: Mask = block_reduce(mask, (step, step), np.max).astype(bool)
    return found
