"""The axis that the scores of an evaluation lie on, from typical normal images to the worst."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

UNIT = 0.5
"""The default threshold. Below it the axis is nearly linear, far above it logarithmic: x = asinh(score / UNIT), so that
the threshold among normal scores and the highest scores are seen together."""

BINS = 48
WIDTH = 640.0
"""Of the plot, in units of the SVG."""

_APART = 50.0
"""Between two values written at the axis, in units of the SVG."""


@dataclass(frozen=True)
class ScoreAxis:
    """An axis between two ends, which are values of asinh(score / UNIT).

    Attributes:
        low: the left end.
        high: the right end.
    """

    low: float
    high: float

    def x(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Positions from the left, in units of the SVG, of scores of any shape."""
        positions: NDArray[np.float64] = WIDTH * (np.arcsinh(scores / UNIT) - self.low) / (self.high - self.low)
        return positions


@dataclass(frozen=True)
class Bar:
    """One bar of a histogram, in units of the SVG.

    Attributes:
        x: its left side.
        width: of it.
        share: of the images of its kind, beside the largest share of all bars; in [0, 1].
        count: images in it.
    """

    x: float
    width: float
    share: float
    count: int


def axis_of(scores: NDArray[np.float64], threshold: float) -> ScoreAxis:
    """An axis that holds all scores `(N,)`, the threshold and 0."""
    ends = np.arcsinh(np.array([scores.min(), scores.max(), threshold, 0.0]) / UNIT)
    margin = 0.03 * (ends.max() - ends.min())
    return ScoreAxis(float(ends.min() - margin), float(ends.max() + margin))


def histogram(axis: ScoreAxis, groups: Sequence[NDArray[np.float64]]) -> list[list[Bar]]:
    """The bars of each group of scores `(N,)`; empty ones are left out."""
    edges = np.linspace(0.0, WIDTH, BINS + 1)
    counts = [np.histogram(axis.x(scores), bins=edges)[0] for scores in groups]
    shares = [count / max(1, len(scores)) for count, scores in zip(counts, groups, strict=True)]
    highest = max(float(share.max()) for share in shares) or 1.0
    return [
        [
            Bar(float(edges[i]), WIDTH / BINS, float(share[i] / highest), int(count[i]))
            for i in np.flatnonzero(count).tolist()
        ]
        for count, share in zip(counts, shares, strict=True)
    ]


def ticks(axis: ScoreAxis) -> list[tuple[float, str]]:
    """Positions and texts of round values, 0 and the default threshold among them, none of them close together."""
    decades = [sign * mantissa * 10.0**power for power in range(-1, 7) for mantissa in (1, 2, 5) for sign in (1, -1)]
    kept: list[tuple[float, str]] = []
    for value in (0.0, UNIT, *sorted(decades, key=abs)):
        x = float(axis.x(np.array(value)))
        if 0 <= x <= WIDTH and all(abs(x - other) >= _APART for other, _ in kept):
            kept.append((x, f"{value:g}"))
    return sorted(kept)
