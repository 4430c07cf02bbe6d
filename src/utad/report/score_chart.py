"""The score among normal scores, in the coordinates of an inline SVG."""

from __future__ import annotations

import math
from dataclasses import dataclass

from utad.interpret.explanation import Explanation
from utad.interpret.score_scale import ScoreScale, score_scale

WIDTH, HEIGHT = 640.0, 150.0
"""Of the plot, in units of the SVG."""

_TICKS = 8
"""Steps between values written at the axis, at most."""


@dataclass(frozen=True)
class ScoreChart:
    """Positions from the left, and heights from below, in units of the SVG.

    Attributes:
        bars: x, width and height of each bin that is not empty, and how many normal images it holds.
        ticks: x and text.
        threshold: x.
        fail: x of the threshold of failing; the same where there is no band for review.
        score: x; at the right end where the score lies beyond.
        beyond: whether it does.
    """

    bars: tuple[tuple[float, float, float, int], ...]
    ticks: tuple[tuple[float, str], ...]
    threshold: float
    fail: float
    score: float
    beyond: bool


def score_chart(explanation: Explanation) -> ScoreChart:
    """Lays the chart out."""
    scale, prediction = score_scale(explanation), explanation.prediction
    highest = max(scale.counts, default=1)
    bars = tuple(
        (_x(scale, left), _x(scale, right) - _x(scale, left), HEIGHT * 0.9 * count / highest, count)
        for left, right, count in zip(scale.edges, scale.edges[1:], scale.counts, strict=False)
        if count
    )
    return ScoreChart(
        bars=bars,
        ticks=_ticks(scale),
        threshold=_x(scale, prediction.threshold),
        fail=_x(scale, prediction.fail_threshold),
        score=_x(scale, min(prediction.pred_score, scale.high)),
        beyond=prediction.pred_score > scale.high,
    )


def _x(scale: ScoreScale, value: float) -> float:
    return round(WIDTH * (value - scale.low) / (scale.high - scale.low), 2)


def _ticks(scale: ScoreScale) -> tuple[tuple[float, str], ...]:
    """Round values, at steps of 1, 2 or 5 times a power of ten: pages are made where matplotlib is not installed."""
    least = (scale.high - scale.low) / _TICKS
    unit = 10.0 ** math.floor(math.log10(least))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= least)
    values = (step * count for count in range(math.ceil(scale.low / step), math.floor(scale.high / step) + 1))
    return tuple((_x(scale, value), f"{value:g}") for value in values)
