"""Whether recent scores are distributed as those of the normal images that set the thresholds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from utad.serving.recent import RecentRows

LEAST = 50
"""Scores on either side from which on drift is told."""

BINS = 10
_EMPTY = 0.5
"""Of a count: what an empty bin counts as, so that its logarithm is finite."""

Level = Literal[0, 1, 2]
"""Of drift: 0 none, 1 worth a look, 2 alarm."""

_LEVELS: tuple[tuple[Level, float, float], ...] = ((2, 0.25, 0.001), (1, 0.1, 0.01))
"""Level, PSI above which, and significance of Kolmogorov-Smirnov at which it is reached."""


@dataclass(frozen=True)
class Drift:
    """How far recent scores are from the calibration.

    Attributes:
        psi: population stability index, over bins of equal shares of the calibration.
        ks: Kolmogorov-Smirnov statistic, the greatest distance of the two distribution functions.
        level: both measures have to agree, since PSI alone is large by chance where the calibration has few images, and
            KS alone finds the smallest shift once there are many.
    """

    psi: float
    ks: float
    level: Level


def population_stability(normal: NDArray[np.float64], recent: NDArray[np.float64]) -> float:
    """The population stability index: the sum over bins of (q - p) ln(q / p), p and q the shares of the scores in them.

    It is the symmetric Kullback-Leibler divergence of the two histograms. The bins hold equal shares of the normal
    scores; an empty one counts as half a score.

    Args:
        normal: `(N,)`, N at least 1.
        recent: `(M,)`, M at least 1.

    Returns:
        At least 0; in use, 0.1 is worth a look and 0.25 a change.
    """
    edges = np.quantile(normal, np.linspace(0, 1, BINS + 1)[1:-1])
    shares = []
    for scores in (normal, recent):
        counts = np.bincount(np.searchsorted(edges, scores, side="left"), minlength=BINS)
        counts = np.maximum(counts, _EMPTY)
        shares.append(counts / counts.sum())
    p, q = shares
    return float(((q - p) * np.log(q / p)).sum())


def kolmogorov_smirnov(normal: NDArray[np.float64], recent: NDArray[np.float64]) -> float:
    """The two-sample Kolmogorov-Smirnov statistic: the greatest distance between the distribution functions.

    Not scipy's, which a machine that only scores need not have; a test compares them.

    Args:
        normal: `(N,)`, N at least 1.
        recent: `(M,)`, M at least 1.

    Returns:
        In [0, 1].
    """
    everywhere = np.concatenate([normal, recent])
    below = [np.searchsorted(np.sort(scores), everywhere, side="right") / len(scores) for scores in (normal, recent)]
    return float(np.abs(below[0] - below[1]).max())


def drift_between(normal: Sequence[float], recent: Sequence[float]) -> Drift | None:
    """Drift of recent scores from normal ones; None where there are fewer than `LEAST` of either.

    Args:
        normal: normalised scores `(N,)` of the normal images that set the thresholds.
        recent: normalised scores `(M,)`.
    """
    if min(len(normal), len(recent)) < LEAST:
        return None
    return measured_drift(np.asarray(normal, np.float64), np.asarray(recent, np.float64))


def measured_drift(normal: NDArray[np.float64], recent: NDArray[np.float64], *, of: int = 1) -> Drift:
    """Drift of recent values from normal ones, however few there are.

    Args:
        normal: `(N,)`, N at least 1.
        recent: `(M,)`, M at least 1.
        of: as many values are looked at of each image, any of which may reach a level by chance: the significance is
            divided by it (Bonferroni).
    """
    psi, ks = population_stability(normal, recent), kolmogorov_smirnov(normal, recent)
    scale = math.sqrt((len(normal) + len(recent)) / (len(normal) * len(recent)))
    for level, least_psi, significance in _LEVELS:
        if psi > least_psi and ks > math.sqrt(-0.5 * math.log(significance / of / 2)) * scale:
            return Drift(psi, ks, level)
    return Drift(psi, ks, 0)


class RecentScores:
    """The last scores of one model, for several threads.

    Args:
        normal: normalised scores of the normal images that set the thresholds.
        most: that are kept.
    """

    def __init__(self, normal: Sequence[float], most: int) -> None:
        self._normal = tuple(normal)
        self._recent = RecentRows(most, 2, np.float64)
        self._lock = Lock()

    def add(self, pred_score: float, *, flagged: bool) -> None:
        """Takes in one more."""
        with self._lock:
            self._recent.add((pred_score, float(flagged)))

    @property
    def flagged(self) -> float:
        """The share of them that is called anomalous; NaN without any."""
        with self._lock:
            flagged = self._recent.rows()[:, 1]
        return float(flagged.mean()) if len(flagged) else math.nan

    def drift(self) -> Drift | None:
        """Their drift; None while there are too few."""
        with self._lock:
            recent = self._recent.rows()[:, 0]
        return drift_between(self._normal, recent.tolist())
