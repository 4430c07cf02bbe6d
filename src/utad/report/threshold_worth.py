"""What a threshold from so many normal images is worth, in numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

CONFIDENCE = 0.95


@dataclass(frozen=True)
class ThresholdWorth:
    """What is known of a threshold.

    Attributes:
        threshold: on normalised scores.
        rate: of normal images that it is set for.
        n_above: of the images that it was set from, those above it.
        at_most: of further images like these, with `CONFIDENCE`, at most this part lies above it.
        needed: images from which on a threshold for this rate is read off their scores; with fewer it is extrapolated.
        extrapolated: whether there were fewer.
    """

    threshold: float
    rate: float
    n_above: int
    at_most: float
    needed: int
    extrapolated: bool


def threshold_worth(scores: NDArray[np.float64], threshold: float, rate: float) -> ThresholdWorth:
    """What the scores of normal images say of a threshold.

    The bound is that of Clopper and Pearson. Of a threshold that is the k-th smallest of n scores it is exact: the part
    of further images above it has the distribution Beta(n - k + 1, k).

    Args:
        scores: normalised, of the images that set the threshold, `(N,)`, N at least 1.
        threshold: on normalised scores.
        rate: of normal images that it is set for, in (0, 1).
    """
    count, above = len(scores), int((scores > threshold).sum())
    needed = math.ceil(1.0 / rate - 1.0 - 1e-9)
    return ThresholdWorth(
        threshold=threshold,
        rate=rate,
        n_above=above,
        at_most=float(beta.ppf(CONFIDENCE, above + 1, count - above)) if above < count else 1.0,
        needed=needed,
        extrapolated=count < needed,
    )
