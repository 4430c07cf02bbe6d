"""AUPRO: the area under the per-region overlap (Bergmann et al., 2021, "The MVTec Anomaly Detection Dataset").

At a threshold, the overlap of a defect is the share of its pixels that are found; PRO is its mean over all
defects, large and small alike. Giving each pixel of a region R the weight 1 / |R| turns PRO into the true-positive
rate of a weighted ROC curve, which is exact at every distinct score and knows no order of images.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.measure import label
from sklearn.metrics import auc, roc_curve

from utad.types import Mask


def per_region_overlap(scores: NDArray[np.floating[Any]], masks: Sequence[Mask], *, max_fpr: float = 0.3) -> float:
    """Area under PRO over the false-positive rate of pixels, up to `max_fpr`, divided by `max_fpr`.

    Args:
        scores: the pixels of all maps in the order of `masks`, `(P,)`.
        masks: the ground truth, one `(H, W)` an image; pixels that touch, corners included, are one region.
        max_fpr: where the integration ends.

    Returns:
        A value in [0, 1]; about `max_fpr / 2` for a map of noise.
    """
    weights = np.concatenate([region_weights(mask).ravel() for mask in masks])
    anomalous = weights > 0
    weights[~anomalous] = 1.0
    false_rate, overlap, _ = roc_curve(anomalous, scores, sample_weight=weights, drop_intermediate=False)
    inside = false_rate <= max_fpr
    at_end = np.interp(max_fpr, false_rate, overlap)
    return float(auc(np.append(false_rate[inside], max_fpr), np.append(overlap[inside], at_end)) / max_fpr)


def region_weights(mask: Mask) -> NDArray[np.float64]:
    """For every pixel `(H, W)` one over the area of its region, and 0 outside."""
    regions = label(mask, connectivity=2)
    areas = np.bincount(regions.ravel()).astype(np.float64)
    areas[0] = np.inf
    weights: NDArray[np.float64] = (1.0 / areas)[regions]
    return weights
