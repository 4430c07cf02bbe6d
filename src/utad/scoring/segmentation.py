"""Eq. 9: from the anomaly map to the mask."""

from __future__ import annotations

from torch import Tensor


def segment(anomaly_map: Tensor, alpha: float = 0.5) -> Tensor:
    """Y = 1 where e > alpha (Eq. 9).

    Args:
        anomaly_map: normalised e, any shape.
        alpha: the threshold; on a normalised map, 0.5 is the chosen rate of normal pixels.

    Returns:
        Bool, the shape of the map.
    """
    return anomaly_map > alpha
