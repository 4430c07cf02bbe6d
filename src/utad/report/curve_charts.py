"""ROC, precision-recall and PRO curves in the coordinates of inline SVGs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from utad.evaluation.curves import Curve, precision_recall, roc
from utad.evaluation.evaluation import Evaluation

SIDE = 240.0
"""Of a plot, in units of the SVG."""


@dataclass(frozen=True)
class CurveChart:
    """One chart.

    Attributes:
        key: of the chart, in the page.
        title: what it shows.
        area: the metric that is the area below the curve, with its value.
        x: what goes to the right.
        y: what goes up.
        right: the value at the right end; the left and lower ends are 0, the upper one is 1.
        path: of the curve, in units of the SVG, y downwards.
        chance: path of what a guess would give; empty where there is none.
    """

    key: str
    title: str
    area: str
    x: str
    y: str
    right: float
    path: str
    chance: str


def curve_charts(
    scores: NDArray[np.float64], labels: NDArray[np.bool_], evaluation: Evaluation
) -> tuple[CurveChart, ...]:
    """The charts that the images allow.

    Args:
        scores: raw, `(N,)`, as the metrics are computed on.
        labels: `(N,)`, true when anomalous.
        evaluation: of these images.
    """
    charts = []
    if (image := evaluation.image) is not None:
        normal = float((~labels).mean())
        charts += [
            CurveChart(
                "roc",
                "ROC, images",
                f"AUROC {image.auroc:.3f}",
                "false alarms among normal images",
                "recall",
                1.0,
                _path(roc(scores, labels)),
                f"M0 {SIDE:g}L{SIDE:g} 0",
            ),
            CurveChart(
                "pr",
                "Precision and recall, images",
                f"AUPR {image.aupr:.3f}",
                "recall",
                "precision",
                1.0,
                _path(precision_recall(scores, labels)),
                f"M0 {SIDE * normal:.1f}H{SIDE:g}",
            ),
        ]
    if evaluation.pro_curve is not None and evaluation.pixel is not None:
        right = float(evaluation.pro_curve.x[-1])
        charts.append(
            CurveChart(
                "pro",
                "PRO, pixels",
                f"AUPRO {evaluation.pixel.aupro:.3f}",
                "normal pixels above the limit",
                "per-region overlap",
                right,
                _path(Curve(evaluation.pro_curve.x / right, evaluation.pro_curve.y)),
                f"M0 {SIDE:g}L{SIDE:g} {SIDE * (1 - right):.1f}",
            )
        )
    return tuple(charts)


def _path(curve: Curve) -> str:
    points = zip((SIDE * curve.x).tolist(), (SIDE * (1.0 - curve.y)).tolist(), strict=True)
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
