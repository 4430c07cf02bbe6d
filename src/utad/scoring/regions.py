"""Regions: the connected parts of a mask, each with what a person asks of it."""

from __future__ import annotations

import numpy as np

from utad.types import FloatMap, Mask, Region


def find_regions(mask: Mask, anomaly_map: FloatMap) -> tuple[Region, ...]:
    """The regions of a mask, the highest peak first.

    Args:
        mask: `(H, W)`; pixels that touch, corners included, are one region.
        anomaly_map: `(H, W)`, that the mask was made of.
    """
    if not mask.any():
        return ()
    from skimage.measure import label, regionprops

    found = []
    for region in regionprops(label(mask, connectivity=2), intensity_image=anomaly_map):
        top, left, bottom, right = region.bbox
        row, column = region.centroid
        found.append(
            Region(
                box=(int(left), int(top), int(right), int(bottom)),
                area=int(region.area),
                centroid=(float(column), float(row)),
                peak=float(region.intensity_max),
                mean=float(region.intensity_mean),
            )
        )
    return tuple(sorted(found, key=lambda region: (-region.peak, region.box)))


def without_small(mask: Mask, min_area: int) -> Mask:
    """A mask `(H, W)` without its regions of fewer than `min_area` pixels; the largest stays, however small it is."""
    if min_area <= 1 or not mask.any():
        return mask
    from skimage.measure import label

    labels = label(mask, connectivity=2)
    areas = np.bincount(labels.ravel())
    areas[0] = 0  # the background
    kept = areas >= min(min_area, int(areas.max()))
    found: Mask = kept[labels]
    return found
