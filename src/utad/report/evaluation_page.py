"""The page of an evaluation, one file: metrics, a threshold to be moved, curves, and a gallery of the images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from utad import __version__
from utad.evaluation.evaluation import Evaluation
from utad.report.colour_scale import colour_scale
from utad.report.curve_charts import SIDE, curve_charts
from utad.report.gallery import Card
from utad.report.metric_rows import metric_rows
from utad.report.rendering import render
from utad.report.score_axis import UNIT, WIDTH, axis_of, histogram, ticks
from utad.types import Prediction

_SMALL_PIXELS = 96
"""Longer side up to which the pixels of an image are shown as they are."""


@dataclass
class Scored:
    """The scores of all images, in their order; a few numbers of each.

    Attributes:
        scores: normalised.
        raw: before normalisation, which the metrics are computed on.
        anomalous: the truth.
        kinds: of defect, as text, or `normal`.
        threshold: on normalised scores.
    """

    scores: list[float] = field(default_factory=list)
    raw: list[float] = field(default_factory=list)
    anomalous: list[bool] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    threshold: float = 0.5

    def add(self, prediction: Prediction, *, anomalous: bool, kind: str) -> None:
        """Takes in one image."""
        self.scores.append(prediction.pred_score)
        self.raw.append(prediction.raw_score)
        self.anomalous.append(anomalous)
        self.kinds.append(kind)
        self.threshold = prediction.threshold

    def groups(self) -> dict[tuple[bool, str], list[float]]:
        """The scores by truth and kind, those of normal images first, then by name."""
        found: dict[tuple[bool, str], list[float]] = {}
        for anomalous, kind, score in zip(self.anomalous, self.kinds, self.scores, strict=True):
            found.setdefault((anomalous, kind), []).append(score)
        return dict(sorted(found.items()))


def evaluation_page(
    scored: Scored,
    cards: Sequence[Card],
    evaluation: Evaluation,
    *,
    title: str,
    subject: str,
    explanations: Mapping[int, str],
) -> str:
    """The page.

    Args:
        scored: all images.
        cards: those of them that the gallery shows.
        evaluation: of all images.
        title: of the page.
        subject: what was evaluated on what, in words.
        explanations: links to pages that explain images, by the index of the image.
    """
    scores, labels = np.asarray(scored.scores), np.asarray(scored.anomalous)
    axis = axis_of(scores, scored.threshold)
    normal_bars, anomalous_bars = histogram(axis, (scores[~labels], scores[labels]))
    return render(
        "evaluation.html",
        title=title,
        subject=subject,
        version=__version__,
        evaluation=evaluation,
        metrics=metric_rows(evaluation),
        threshold=scored.threshold,
        groups=[
            {
                "kind": kind,
                "anomalous": anomalous,
                "count": len(own),
                "flagged": sum(score > scored.threshold for score in own),
            }
            for (anomalous, kind), own in scored.groups().items()
        ],
        axis=axis,
        axis_width=WIDTH,
        threshold_x=float(axis.x(np.array(scored.threshold))),
        ticks=ticks(axis),
        normal_bars=normal_bars,
        anomalous_bars=anomalous_bars,
        charts=curve_charts(np.asarray(scored.raw), labels, evaluation),
        side=SIDE,
        scale=colour_scale(),
        cards=cards,
        n_images=len(scores),
        small=all(max(card.width, card.height) <= _SMALL_PIXELS for card in cards),
        has_truth=any(card.truth for card in cards),
        explanations=explanations,
        data=_data(scored, cards, explanations) | {"low": axis.low, "high": axis.high, "unit": UNIT},
    )


def _data(scored: Scored, cards: Sequence[Card], explanations: Mapping[int, str]) -> dict[str, Any]:
    """What the script of the page computes with: all scores by kind, and what it tells of each card."""
    groups = scored.groups()
    positions = {group: position for position, group in enumerate(groups)}
    return {
        "threshold": scored.threshold,
        "groups": [{"anomalous": anomalous, "scores": scores} for (anomalous, _), scores in groups.items()],
        "cards": [
            {
                "group": positions[card.anomalous, card.kind],
                "score": card.score,
                "size": [card.width, card.height],
                "mask": card.mask,
                "truth": card.truth,
                "regions": [[*region["box"], region["area"], round(region["peak"], 3)] for region in card.regions],
                "page": explanations.get(card.index, ""),
            }
            for card in cards
        ],
    }
