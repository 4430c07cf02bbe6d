"""What there is to say of one image: the prediction, and what it stands beside. Plain data, without torch."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field

from utad.errors import InputError
from utad.interpret.normal_images import Neighbour, NormalImages
from utad.types import Image, Prediction

NEIGHBOURS = 5
"""Nearest normal images that are shown by default."""

NOT_KEPT = (
    "This model keeps no pictures of its training images: it was trained with explain.privacy=true, "
    "or by a version of utad that kept none."
)
NO_SHARES = (
    "the shares of the components are not known: compared methods and graphs of earlier versions give none. Export "
    "the model again, or explain with its run (utad explain RUN IMAGE, UTAD.load(RUN))"
)
NO_CODE = "This model compares no features of the image itself, so there is nothing to find similar images by."


@dataclass(frozen=True)
class Explanation:
    """Why an image has its score.

    Attributes:
        name: of the image.
        image: `(H, W, 3)`, uint8 or uint16.
        prediction: of this image; its `shares` add up to its `pred_score`.
        normal_scores: normalised scores of the normal images that set the thresholds, ascending; empty where the model
            does not hold them.
        neighbours: the normal images that look most like this one, the nearest first.
        without_neighbours: why there are none; empty where there are.
    """

    name: str
    image: Image = field(repr=False)
    prediction: Prediction
    normal_scores: tuple[float, ...] = field(repr=False)
    neighbours: tuple[Neighbour, ...] = ()
    without_neighbours: str = ""

    @property
    def shares(self) -> dict[str, float]:
        """What each component has of the score, by name, the highest first. They add up to the score."""
        return dict(sorted(self.prediction.shares.items(), key=lambda share: -share[1]))

    @property
    def normal_above(self) -> float | None:
        """The rate of normal images with a score at least this high; None where the model does not hold theirs."""
        if not self.normal_scores:
            return None
        return sum(score >= self.prediction.pred_score for score in self.normal_scores) / len(self.normal_scores)

    def _repr_html_(self) -> str:
        """What notebooks show: image, map, restored images, shares and regions."""
        from utad.report.notebook import explanation_html

        return explanation_html(self)

    def _repr_png_(self) -> bytes:
        """The figure, for what shows no HTML."""
        from utad.interpret.explanation_figure import explanation_figure

        buffer = io.BytesIO()
        explanation_figure(self).savefig(buffer, format="png")
        return buffer.getvalue()


def explained(
    name: str,
    image: Image,
    prediction: Prediction,
    *,
    normal_scores: Sequence[float],
    normal_images: NormalImages | None,
    neighbours: int = NEIGHBOURS,
) -> Explanation:
    """The explanation of a prediction.

    Args:
        name: of the image.
        image: `(H, W, 3)`.
        prediction: of the image.
        normal_scores: of the model.
        normal_images: that the model keeps; None where it keeps none.
        neighbours: how many of them to show, at most.

    Raises:
        InputError: if the engine did not tell what each component has of the score.
    """
    if not prediction.shares:
        raise InputError(NO_SHARES)
    found: tuple[Neighbour, ...] = ()
    reason = ""
    if not neighbours:
        reason = "No normal images were asked for."
    elif normal_images is None:
        reason = NOT_KEPT
    elif len(prediction.code) != normal_images.codes.shape[1]:
        reason = NO_CODE
    else:
        found = normal_images.nearest(prediction.code, neighbours)
    return Explanation(name, image, prediction, tuple(normal_scores), found, reason)
