"""The axis on which a score stands among those of normal images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from utad.interpret.explanation import Explanation

BINS = 30


@dataclass(frozen=True)
class ScoreScale:
    """An axis, and how many normal images lie where on it.

    Attributes:
        low: its lower end.
        high: its upper end; a score far above lies beyond it, or else normal scores would be a line.
        edges: of the bins, one more than there are counts; empty without normal scores.
        counts: normal images in each bin.
    """

    low: float
    high: float
    edges: tuple[float, ...]
    counts: tuple[int, ...]


def score_scale(explanation: Explanation) -> ScoreScale:
    """The scale for one explanation; that of a score which is not far above the thresholds holds it."""
    prediction, normal = explanation.prediction, np.asarray(explanation.normal_scores, np.float64)
    marks = [0.0, prediction.threshold, prediction.fail_threshold, *normal.tolist()]
    low, high = min(*marks, prediction.pred_score), max(marks)
    high += 0.05 * (high - low)
    if prediction.pred_score <= low + 2.0 * (high - low):
        high = max(high, prediction.pred_score + 0.05 * (high - low))
    low -= 0.05 * (high - low)
    if not len(normal):
        return ScoreScale(low, high, (), ())
    counts, edges = np.histogram(normal, bins=BINS, range=(low, high))
    return ScoreScale(low, high, tuple(edges.tolist()), tuple(counts.tolist()))
