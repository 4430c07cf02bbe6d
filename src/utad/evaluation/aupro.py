"""AUPRO: the area under the per-region overlap (Bergmann et al., 2021, "The MVTec Anomaly Detection Dataset").

At a threshold, the overlap of a defect is the share of its pixels that are found; PRO is its mean over all
defects, large and small alike. Giving each pixel of a region R the weight `1 / |R|` turns PRO into the true-positive
rate of a weighted ROC curve, which knows no order of images.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from skimage.measure import label
from sklearn.metrics import auc

from utad.types import Mask

REGION_WEIGHT = 1 << 40
"""What the pixels of a region weigh together. Integers add up to the same sum in every order, floats do not."""


def region_weights(mask: Mask) -> NDArray[np.int64]:
    """The weight of each anomalous pixel: `REGION_WEIGHT` over the area of its region, rounded.

    Args:
        mask: the ground truth `(H, W)`; pixels that touch, corners included, are one region.

    Returns:
        `(K,)`, in the order of `mask[mask]`.
    """
    regions = label(mask, connectivity=2)[mask] - 1
    weights: NDArray[np.int64] = np.rint(REGION_WEIGHT / np.bincount(regions)).astype(np.int64)[regions]
    return weights


def per_region_overlap(false_rate: NDArray[np.float64], overlap: NDArray[np.float64], *, max_fpr: float = 0.3) -> float:
    """Area under PRO over the false-positive rate of pixels, up to `max_fpr`, divided by `max_fpr`.

    Args:
        false_rate: at falling thresholds, `(T,)`, from 0 to 1.
        overlap: PRO at the same thresholds, `(T,)`, from 0 to 1.
        max_fpr: where the integration ends.

    Returns:
        A value in [0, 1]; about `max_fpr / 2` for a map of noise.
    """
    inside = false_rate <= max_fpr
    at_end = np.interp(max_fpr, false_rate, overlap)
    return float(auc(np.append(false_rate[inside], max_fpr), np.append(overlap[inside], at_end)) / max_fpr)
