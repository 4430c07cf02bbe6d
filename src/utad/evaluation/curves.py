"""Curves to be drawn: scikit-learn's points, or those of counted pixels, thinned to what an eye can tell apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from skimage.measure import approximate_polygon
from sklearn.metrics import precision_recall_curve, roc_curve

MOST_POINTS = 200
"""Of a thinned curve."""

_EVENLY = 4000
"""Points, evenly along the curve, that are looked at one by one."""

_TOLERANCE = 0.0005
"""Of the length of an axis: how far a thinned curve may lie from all its points, unless that takes too many."""


@dataclass(frozen=True)
class Curve:
    """A line, drawn straight from point to point.

    Attributes:
        x: `(P,)`.
        y: `(P,)`.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]


def roc(scores: NDArray[np.float64], labels: NDArray[np.bool_]) -> Curve:
    """Recall over the rate of false alarms.

    Args:
        scores: `(N,)`, higher is more anomalous.
        labels: `(N,)`, true when anomalous; both kinds must be there.
    """
    false_rate, recall, _ = roc_curve(labels, scores)
    return thinned_curve(Curve(false_rate, recall))


def precision_recall(scores: NDArray[np.float64], labels: NDArray[np.bool_]) -> Curve:
    """Precision over recall, in steps: the area below them is the average precision.

    Args:
        scores: `(N,)`, higher is more anomalous.
        labels: `(N,)`, true when anomalous; both kinds must be there.
    """
    precision, recall, _ = precision_recall_curve(labels, scores)
    # Ascending in recall; between two points the precision is that of the second.
    steps = np.repeat(recall[::-1], 2)[1:-1]
    return thinned_curve(Curve(steps, np.repeat(precision[::-1][1:], 2)))


def per_region_curve(curves: NDArray[np.float64], *, max_fpr: float = 0.3) -> Curve:
    """PRO over the rate of normal pixels, up to `max_fpr`.

    Args:
        curves: as `metrics.pixel_metrics` takes them, `(3, T)`.
        max_fpr: where AUPRO ends.
    """
    false_rate, overlap = curves[0] / curves[0, -1], curves[2] / curves[2, -1]
    inside = false_rate <= max_fpr
    at_end = np.interp(max_fpr, false_rate, overlap)
    thin = thinned_curve(Curve(np.append(false_rate[inside], max_fpr) / max_fpr, np.append(overlap[inside], at_end)))
    return Curve(thin.x * max_fpr, thin.y)


def thinned_curve(curve: Curve) -> Curve:
    """The points that shape a curve whose axes end at 1: `MOST_POINTS` at most, the first and the last among them."""
    x, y = curve.x, curve.y
    if len(x) > _EVENLY:
        along = np.abs(np.diff(x))
        along += np.abs(np.diff(y))
        np.cumsum(along, out=along)
        rows = np.unique(np.append(0, 1 + np.searchsorted(along, np.linspace(0.0, along[-1], _EVENLY))))
        x, y = x[rows], y[rows]
    points = np.column_stack([x, y])
    tolerance, kept = _TOLERANCE, approximate_polygon(points, _TOLERANCE)
    while len(kept) > MOST_POINTS:
        tolerance *= 1.5
        kept = approximate_polygon(points, tolerance)
    return Curve(kept[:, 0], kept[:, 1])
