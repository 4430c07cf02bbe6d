"""The maps of score components as colours, and what each compares in words."""

from __future__ import annotations

import math
from dataclasses import dataclass

from utad.interpret.figures import strength, thinned
from utad.types import FloatMap, Prediction

MIDDLE = 3.0
"""Standard deviations above normal that have the colour of the threshold in the map of a component."""

_SUBJECTS = {
    "input": "the image, beside normal images",
    "impression": "the image and its impression",
    "residual": "the image and its reconstruction",
    "naive": "the impression and the naive impression",
    "restored": "the features of the image and what they should be",
    "deep": "the shapes in the image, beside normal images",
    "whole": "the image as a whole, beside normal images",
    "neighbours": "each part of the image and the nearest normal part",
    "x - x_hat": "the image and its reconstruction",
    "m - m_hat": "the impression and the naive impression",
    "x - m": "the image and its impression",
    "x - m_hat": "the image and the naive impression",
}

_HOW = {
    "detail": "the finest features",
    "fine": "fine features",
    "near": "fine features, with what is around them",
    "wide": "averages over wide windows",
    "whole": "averages over the whole image",
}


@dataclass(frozen=True)
class ComponentMap:
    """The map of one component.

    Attributes:
        name: of the component.
        compares: in words.
        share: of the score; None where the component is part of the anomaly map alone.
        level: `(h, w)` in [0, 1]: how strong the colour is.
    """

    name: str
    compares: str
    share: float | None
    level: FloatMap


def component_maps(prediction: Prediction, longest: int) -> list[ComponentMap]:
    """The components of a prediction, the highest share first; their maps with no side longer than `longest`."""
    shares = prediction.shares
    ordered = sorted(prediction.component_maps, key=lambda name: -shares.get(name, -math.inf))
    unit = middle_of_components(prediction)
    inside = thinned(prediction.inside, longest) if prediction.inside is not None else None
    found = []
    for name in ordered:
        values = thinned(prediction.component_maps[name], longest)
        level = strength(values * (0.5 / unit), inside)
        found.append(ComponentMap(name, compares(name), shares.get(name), level))
    return found


def middle_of_components(prediction: Prediction) -> float:
    """The value of a component's map that has the middle colour.

    Standardised maps have one scale for all images. The distances of Eq. 8 have none: half of this image's highest.
    """
    if not is_standardised(prediction):
        return max(1e-12, 0.5 * max(float(prediction.component_maps[name].max()) for name in prediction.shares))
    return MIDDLE


def is_standardised(prediction: Prediction) -> bool:
    """Whether the maps of components are in standard deviations; those of Eq. 8, one for each pair, are not."""
    return not any(" - " in name for name in prediction.shares)


def compares(name: str) -> str:
    """What a component compares, in words; empty for one that is not known here."""
    first, _, how = name.partition("-") if " - " not in name else (name, "", "")
    subject = _SUBJECTS.get(first, "")
    return f"{subject}: {_HOW[how]}" if subject and how in _HOW else subject
