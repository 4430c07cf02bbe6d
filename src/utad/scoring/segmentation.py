"""Eq. 9: from the anomaly map to the mask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

from utad.types import FloatMap, Mask

if TYPE_CHECKING:
    from torch import Tensor


@overload
def segment(anomaly_map: FloatMap, alpha: float = 0.5) -> Mask: ...


@overload
def segment(anomaly_map: Tensor, alpha: float = 0.5) -> Tensor: ...


def segment(anomaly_map: Any, alpha: float = 0.5) -> Any:
    """Y = 1 where e > alpha (Eq. 9).

    Args:
        anomaly_map: normalised e, an array or tensor of any shape.
        alpha: the threshold; on a normalised map, 0.5 is the chosen rate of normal pixels.

    Returns:
        Bool, the shape of the map.
    """
    return anomaly_map > alpha
