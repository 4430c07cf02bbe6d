"""Outlines of masks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from utad.types import Mask

_COARSEST = 8
"""Cells along the longer side of a mask below which nothing of it could be known again."""


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


def outline_path(mask: Mask, most: int, *, finest: int = 128) -> str:
    """The outlines of a mask as the path of an SVG whose unit is a pixel of the image.

    Args:
        mask: `(H, W)` bool.
        most: characters; a mask with more to tell is drawn coarser, down to 8 cells along its longer side.
        finest: cells along the longer side of the mask that the lines follow, at most.

    Returns:
        The path; empty for an empty mask.
    """
    if not mask.any():
        return ""
    from skimage.measure import approximate_polygon, block_reduce

    path = ""
    side = finest
    while side >= _COARSEST:
        step = -(-max(mask.shape) // side)
        coarse = block_reduce(mask, (step, step), np.max)
        lines = [approximate_polygon(line, 0.4) for line in outlines(coarse)]
        # The first pixel of the coarse mask covers -0.5 to 0.5, and 0 to `step` of the image.
        path = "".join(
            "M" + "L".join(f"{step * (x + 0.5):g} {step * (y + 0.5):g}" for x, y in line[:-1].tolist()) + "Z"
            for line in lines
        )
        if len(path) <= most:
            break
        side //= 2
    return path
