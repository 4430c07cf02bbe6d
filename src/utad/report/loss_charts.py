"""The curves of a training in the coordinates of inline SVGs, and whether a code has collapsed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from utad.training_record import Curve, StageRecord

WIDTH, HEIGHT = 240.0, 96.0
"""Of a plot, in units of the SVG."""

STAGES = {
    "ie_net": ("IE-Net", "Stage 1: draws the impression, what the part should look like."),
    "expert_net": ("Expert-Net", "Stage 2: puts the details back into the impression."),
    "feature_net_witness": (
        "Feature impression, witness",
        "Restores features; trained without the held-out images, to tell how much better known images are restored.",
    ),
    "feature_net": ("Feature impression", "Restores the features that a normal image would have."),
}
"""What the stages are called, and what they do."""

_LOGARITHMIC = 20.0
"""From this ratio of the highest to the lowest value on, the axis is logarithmic."""

_LAST = 0.1
"""Part of the steps whose mean is called the last value."""

_MEANINGS = {
    "loss": "The weighted sum of the terms, which training lowers.",
    "ie_net.reconstruction": "Squared difference of impression and image.",
    "ie_net.restoration": "The same where a synthetic anomaly was, which is to be restored.",
    "ie_net.local_information": "Latent code and each part of the image: 1.39 where they have nothing in common.",
    "ie_net.global_information": "Latent code and the whole image: 1.39 where they have nothing in common.",
    "ie_net.prior": "Divergence of the latent code from the standard normal distribution.",
    "expert_net.image": "Difference of reconstruction and image.",
    "expert_net.impression": "Difference of naive impression and impression.",
    "expert_net.detail": "Difference of the detail codes of reconstruction and image.",
    "feature_net.restoration": "Squared difference of restored and normal features, which are standardised.",
}


@dataclass(frozen=True)
class _Indicator:
    stage: str
    term: str
    title: str
    meaning: str
    least: float | None


_INDICATORS = (
    _Indicator("ie_net", "mu_std", "Spread of the latent code", "Between the images of a batch.", 0.05),
    _Indicator(
        "ie_net",
        "sigma_mean",
        "Uncertainty of the latent code",
        "1 is that of the prior: with no spread beside it, the code says nothing of the image.",
        None,
    ),
    _Indicator("expert_net", "detail_std", "Spread of the detail code", "Between the images of a batch.", 1e-4),
)
"""What is watched, and the value below which a code has collapsed: a tenth of what trained networks have, at most, and
for the detail code a fifth of what an untrained one has."""


@dataclass(frozen=True)
class LossChart:
    """One quantity of a stage over its steps.

    Attributes:
        key: stage and term, with a dot.
        title: of the quantity.
        meaning: in a sentence; empty where there is nothing to say.
        line: path of the means, in units of the SVG, y downwards.
        band: path around the lowest and highest values.
        top: the value at the upper end.
        bottom: the value at the lower end.
        steps: at the right end.
        last: mean of the last tenth of the steps.
        logarithmic: whether the axis is.
        collapsed: whether the last value says that a code is the same for all images.
    """

    key: str
    title: str
    meaning: str
    line: str
    band: str
    top: float
    bottom: float
    steps: int
    last: float
    logarithmic: bool
    collapsed: bool = False


def loss_charts(stage: StageRecord) -> list[LossChart]:
    """The loss of a stage and its terms; a loss of a single term is shown once."""
    watched = {one.term for one in _INDICATORS if one.stage == stage.name}
    terms = [term for term in stage.curves if term not in watched]
    shown = terms[1:] if len(terms) == 2 else terms
    return [_chart(stage, term, term.replace("_", " "), _meaning(stage.name, term)) for term in shown]


def collapse_charts(stages: Mapping[str, StageRecord]) -> list[LossChart]:
    """What is watched of the codes, of the stages that were trained."""
    return [
        _chart(stages[one.stage], one.term, one.title, one.meaning, least=one.least)
        for one in _INDICATORS
        if one.stage in stages and one.term in stages[one.stage].curves
    ]


def last_value(curve: Curve) -> float:
    """The mean of the last tenth of the points, at least one."""
    return float(curve.means[-max(1, round(_LAST * len(curve.means))) :].mean())


def _meaning(stage: str, term: str) -> str:
    family = "feature_net" if stage.startswith("feature_net") else stage
    return _MEANINGS.get(f"{family}.{term}", _MEANINGS.get(term, ""))


def _chart(stage: StageRecord, term: str, title: str, meaning: str, *, least: float | None = None) -> LossChart:
    curve = stage.curves[term]
    bottom, top = float(curve.lows.min()), float(curve.highs.max())
    logarithmic = bottom > 0 and top / bottom > _LOGARITHMIC
    last = last_value(curve)

    def points(values: NDArray[np.float64]) -> list[tuple[float, float]]:
        low, high, heights = (np.log(value) if logarithmic else np.asarray(value) for value in (bottom, top, values))
        x = WIDTH * (curve.steps + 0.5) / stage.steps
        y = HEIGHT * (1.0 - (heights - low) / max(float(high - low), 1e-12))
        return list(zip(x.tolist(), y.tolist(), strict=True))

    return LossChart(
        key=f"{stage.name}.{term}",
        title=title,
        meaning=meaning,
        line=_path(points(curve.means)),
        band=_path(points(curve.highs) + points(curve.lows)[::-1]) + "Z",
        top=top,
        bottom=bottom,
        steps=stage.steps,
        last=last,
        logarithmic=logarithmic,
        collapsed=least is not None and last < least,
    )


def _path(points: list[tuple[float, float]]) -> str:
    # A single point is a line of no length, which round ends make a dot.
    ends = points if len(points) > 1 else points * 2
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in ends)
