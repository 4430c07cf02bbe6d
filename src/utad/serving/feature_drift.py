"""Whether recent images look as the normal images of the training did: drift of the means of their features.

Scores move when something looks anomalous. Features move with whatever makes images look different, focus, noise or
material, be it that the score minds or not; light that is normalised moves neither.
"""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from utad.serving.drift import LEAST, Level, measured_drift
from utad.serving.recent import RecentRows


@dataclass(frozen=True)
class FeatureDrift:
    """How far the features of recent images are from those of the normal ones.

    Attributes:
        psi: population stability index of the feature that has moved farthest by it.
        ks: Kolmogorov-Smirnov statistic of the feature that has moved farthest by it.
        moved: share of the features that reach a level, in [0, 1].
        level: the highest that a feature reaches.
    """

    psi: float
    ks: float
    moved: float
    level: Level


def feature_drift_between(normal: NDArray[np.float32], recent: NDArray[np.float32]) -> FeatureDrift | None:
    """Drift of the means of features; None where there are fewer than `LEAST` images of either.

    Args:
        normal: means of the features of normal images, `(N, C)`, C at least 1.
        recent: those of recent images, `(M, C)`.
    """
    if min(len(normal), len(recent)) < LEAST:
        return None
    pairs = zip(normal.T.astype(np.float64), recent.T.astype(np.float64), strict=True)
    found = [measured_drift(one, other, of=normal.shape[1]) for one, other in pairs]
    return FeatureDrift(
        psi=max(drift.psi for drift in found),
        ks=max(drift.ks for drift in found),
        moved=sum(drift.level > 0 for drift in found) / len(found),
        level=max((drift.level for drift in found), default=0),
    )


class RecentFeatures:
    """The means of features of the last images of one model, for several threads.

    Args:
        normal: those of the normal images, `(N, C)`.
        most: images that are kept.
    """

    def __init__(self, normal: NDArray[np.float32], most: int) -> None:
        self._normal = normal
        self._recent = RecentRows(most, normal.shape[1], np.float32)
        self._lock = Lock()
        self._known: FeatureDrift | None = None
        self._is_known = True

    def add(self, feature_means: NDArray[np.float32]) -> None:
        """Takes in those of one more image, `(C,)`."""
        with self._lock:
            self._recent.add(feature_means)
            self._is_known = False

    def drift(self) -> FeatureDrift | None:
        """Their drift, computed once for what is there; None while there are too few."""
        with self._lock:
            if not self._is_known:
                self._known = feature_drift_between(self._normal, self._recent.rows())
                self._is_known = True
            return self._known
