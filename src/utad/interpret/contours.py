"""Outlines of masks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from utad.types import Mask


def outlines(mask: Mask) -> list[NDArray[np.float64]]:
    """Closed lines around the regions of a mask and around their holes.

    Args:
        mask: `(H, W)`; pixels that touch, corners included, are one region.

    Returns:
        Points `(P, 2)` each, x and y, the last the same as the first, half way between the centres of neighbouring
        pixels. Centres of pixels have whole coordinates: the first pixel covers -0.5 to 0.5.
    """
    if not mask.any():
        return []
    from skimage.measure import find_contours

    # A rim of background closes the lines of regions that reach the border.
    padded = np.pad(mask.astype(np.float64), 1)
    return [line[:, ::-1] - 1.0 for line in find_contours(padded, 0.5, fully_connected="high")]
