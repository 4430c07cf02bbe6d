"""Eq. 9: from the anomaly map to the mask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

import numpy as np

from utad.config import MaskConfig
from utad.scoring.regions import without_small
from utad.types import FloatMap, Mask

if TYPE_CHECKING:
    from torch import Tensor


@overload
def segment(anomaly_map: FloatMap, alpha: float = 0.5) -> Mask: ...


@overload
def segment(anomaly_map: Tensor, alpha: float | Tensor = 0.5) -> Tensor: ...


def segment(anomaly_map: Any, alpha: Any = 0.5) -> Any:
    """Y = 1 where e > alpha (Eq. 9).

    Args:
        anomaly_map: e, an array or tensor of any shape.
        alpha: the threshold, a number or a tensor that goes with the map.

    Returns:
        Bool, the shape of the map.
    """
    return anomaly_map > alpha


def draw_mask(anomaly_map: FloatMap, settings: MaskConfig, *, anomalous: bool, inside: Mask | None = None) -> Mask:
    """Eq. 9 for one image, as docs/adr/0014 reads it: label and mask agree.

    Args:
        anomaly_map: normalised e, `(H, W)`.
        settings: how e and alpha are compared.
        anomalous: what the image is called.
        inside: `(H, W)`, where there may be a mask, and outside of which the map has its lowest value; None for all.

    Returns:
        `(H, W)`, all false if the image is called normal, and never if it is called anomalous.
    """
    if not anomalous:
        return np.zeros(anomaly_map.shape, dtype=np.bool_)
    peak = float(anomaly_map.max())
    found = segment(anomaly_map, settings.alpha * peak if settings.relative and peak > 0 else settings.alpha)
    # Where nothing is above, what is highest is still where to look first.
    found = found if found.any() else anomaly_map >= peak
    return without_small(found if inside is None else found & inside, settings.min_area)
