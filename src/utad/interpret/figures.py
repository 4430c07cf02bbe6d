"""Pictures that a person can look at: heat maps over images, and grids that show what the model believed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from utad.interpret.inferno import INFERNO
from utad.types import FloatMap, Image, Mask, Prediction

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_Value = TypeVar("_Value", bound=np.generic)

COLUMNS = (
    "input",
    "ground truth",
    "impression m",
    "naive impression m̂",
    "reconstruction x̂",
    "anomaly map",
    "mask",
)
"""What a grid shows of each image, from left to right."""

OUTLINE = (0, 230, 118)
"""A green that `inferno` lacks."""


@dataclass(frozen=True)
class GridRow:
    """An image, what is known of it and what the detector says.

    Attributes:
        name: shown beside the row.
        image: `(H, W, 3)`, uint8 or uint16.
        prediction: of this image.
        gt_mask: `(H, W)`; None where there is no ground truth.
    """

    name: str
    image: Image
    prediction: Prediction
    gt_mask: Mask | None = None


def to_8_bit(image: Image) -> NDArray[np.uint8]:
    """Full scale uint8 or uint16 to uint8; what has 8 bits is given back as it is."""
    if image.dtype == np.uint8:
        return cast("NDArray[np.uint8]", image)
    return np.round(image / 257.0).astype(np.uint8)


def thinned(pixels: NDArray[_Value], longest: int) -> NDArray[_Value]:
    """Every second, third, ... row and column of `(H, W[, 3])`, so that no side is longer than `longest`."""
    step = -(-max(pixels.shape[:2]) // longest)
    return pixels[::step, ::step]


REGION = (255, 255, 255)
"""The outline of a region of interest."""


def strength(anomaly_map: FloatMap, inside: Mask | None = None) -> FloatMap:
    """A normalised map, unclipped, to [0, 1): 0 at 0 and below, one half at the threshold of 0.5.

    1 - 4^(-v): monotone, so that even far above the threshold more anomalous stays brighter. Outside a region of
    interest, where the map says nothing, it is 0.
    """
    level = np.asarray(1.0 - np.power(4.0, -np.maximum(anomaly_map, 0.0)), dtype=np.float32)
    return level if inside is None else level * inside


def opacity_of(level: FloatMap) -> FloatMap:
    """How far a map covers the image, from what `strength` gives: normal parts stay to be seen."""
    return np.asarray(np.minimum(1.4 * level, 1.0), dtype=np.float32)


def coloured(level: FloatMap) -> NDArray[np.uint8]:
    """Levels `(H, W)` in [0, 1] to colours `(H, W, 3)` uint8; the threshold, 0.5, has the middle one."""
    return INFERNO[np.clip(level * 256, 0, 255).astype(np.intp)]


def heat_layer(level: FloatMap) -> NDArray[np.uint8]:
    """Levels `(H, W)` in [0, 1] as colours with an opacity, `(H, W, 4)` uint8, to be laid over a picture."""
    return np.dstack([coloured(level), np.round(255.0 * opacity_of(level)).astype(np.uint8)])


def heat_overlay(
    image: Image, anomaly_map: FloatMap, mask: Mask | None = None, inside: Mask | None = None
) -> NDArray[np.uint8]:
    """The map in colour over the image, `(H, W, 3)` uint8; what is normal, or does not count, stays uncovered.

    With a mask, its regions are outlined.
    """
    level = strength(anomaly_map, inside)
    opacity = np.minimum(opacity_of(level), 0.85)[..., None]
    blended = (1 - opacity) * to_8_bit(image) + opacity * coloured(level)
    found = np.asarray(np.round(blended), dtype=np.uint8)
    if mask is not None and mask.any():
        from skimage.segmentation import find_boundaries

        found[find_boundaries(mask, mode="thick")] = OUTLINE
    return found


def prediction_grid(items: Sequence[GridRow]) -> Figure:
    """One row per image, the columns of `COLUMNS`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1.6 * len(COLUMNS) + 1.0, 1.72 * len(items) + 0.3), layout="constrained")
    axes = figure.subplots(len(items), len(COLUMNS), squeeze=False)
    for row, item in zip(axes, items, strict=True):
        for axis, panel in zip(row, _panels(item), strict=True):
            axis.imshow(panel, interpolation="nearest")
            axis.set_xticks([])
            axis.set_yticks([])
        verdict = "anomalous" if item.prediction.pred_label else "normal"
        row[0].set_ylabel(f"{item.name}\n{item.prediction.pred_score:.2f}: {verdict}", fontsize=8)
    for axis, title in zip(axes[0], COLUMNS, strict=True):
        axis.set_title(title, fontsize=9)
    return figure


def _panels(item: GridRow) -> list[NDArray[np.uint8]]:
    prediction = item.prediction
    image = to_8_bit(item.image)
    unknown = np.full_like(image, 128)
    return [
        image,
        unknown if item.gt_mask is None else _black_and_white(item.gt_mask),
        prediction.impression,
        prediction.naive_impression,
        prediction.reconstruction,
        heat_overlay(image, prediction.anomaly_map, prediction.pred_mask, prediction.inside),
        _black_and_white(prediction.pred_mask),
    ]


def _black_and_white(mask: Mask) -> NDArray[np.uint8]:
    return np.repeat(np.where(mask, 255, 0).astype(np.uint8)[..., None], 3, axis=2)
