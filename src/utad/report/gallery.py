"""What the report of an evaluation keeps of each image: a few kilobytes, however large the image is."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import Any

from utad.data.ground_truth import Truth
from utad.interpret.contours import outline_path
from utad.interpret.figures import strength, to_8_bit
from utad.report.data_uris import heat_uri, thumbnail_uri
from utad.report.rendering import text
from utad.types import Image, Prediction, Sample

SHOWN = 2000
"""Images in a gallery, at most: those farthest on the wrong side of the threshold, then those closest to it."""

PAGE_BYTES = 20_000_000
"""Of all pictures and outlines of a page."""

_PICTURE, _HEAT = 384, 96
"""Longer sides of a picture and of a map, in pixels."""

_MOST_BYTES = 60_000
"""Of one image, where there are few."""

_REGIONS = 5
"""Regions that are told of one image, the highest peaks."""


@dataclass(frozen=True)
class Card:
    """One image of the gallery.

    Attributes:
        index: of the image in the evaluation.
        name: of the image, as text.
        kind: of the defect, as text.
        anomalous: the truth.
        score: normalised.
        width: of the image, in pixels.
        height: of it.
        picture: data URI of the image.
        heat: of its anomaly map, to be laid over it.
        mask: path of the outline of the mask, in pixels of the image; empty without one.
        truth: of that of the ground truth.
        regions: of the mask, as plain values.
    """

    index: int
    name: str
    kind: str
    anomalous: bool
    score: float
    width: int
    height: int
    picture: str = field(repr=False)
    heat: str = field(repr=False)
    mask: str = field(repr=False)
    truth: str = field(repr=False)
    regions: list[dict[str, Any]] = field(repr=False)


class Gallery:
    """Collects cards, and keeps the most telling ones where there are too many.

    Args:
        n_images: to come, which decides how large the pictures may be.
    """

    def __init__(self, n_images: int) -> None:
        self._most_bytes = min(_MOST_BYTES, PAGE_BYTES // max(1, min(n_images, SHOWN)))
        # By how far it is on the wrong side of the threshold; the index makes every entry another one.
        self._cards: list[tuple[float, int, Card]] = []

    def add(self, index: int, sample: Sample, image: Image, prediction: Prediction, truth: Truth) -> None:
        """Takes in one image.

        Args:
            index: of it, another one for every image.
            sample: of it.
            image: `(H, W, 3)`.
            prediction: of it.
            truth: what counts of its defects.
        """
        wrong = wrongness(prediction, anomalous=truth.anomalous)
        if len(self._cards) >= SHOWN and (wrong, -index) < self._cards[0][:2]:
            return
        # Base64 takes four bytes for three. Of all bytes, half are the picture's and a quarter the map's.
        most = self._most_bytes
        height, width = image.shape[:2]
        card = Card(
            index=index,
            name=text(sample.name),
            kind=kind_of(sample, anomalous=truth.anomalous),
            anomalous=truth.anomalous,
            score=prediction.pred_score,
            width=width,
            height=height,
            picture=thumbnail_uri(to_8_bit(image), _PICTURE, most * 3 // 8),
            heat=heat_uri(strength(prediction.anomaly_map, prediction.inside), _HEAT, most * 3 // 16),
            mask=outline_path(prediction.pred_mask, most // 8),
            truth=outline_path(truth.mask, most // 8) if truth.mask is not None else "",
            regions=[region.as_dict() for region in prediction.regions[:_REGIONS]],
        )
        push = heapq.heappush if len(self._cards) < SHOWN else heapq.heapreplace
        push(self._cards, (wrong, -index, card))

    def cards(self) -> list[Card]:
        """The highest score first."""
        return sorted((card for _, _, card in self._cards), key=lambda card: (-card.score, card.index))


def wrongness(prediction: Prediction, *, anomalous: bool) -> float:
    """How far a score is on the wrong side of the threshold; below 0 on the right one."""
    margin = prediction.pred_score - prediction.threshold
    return -margin if anomalous else margin


def kind_of(sample: Sample, *, anomalous: bool) -> str:
    """The kind of defect, as text, or that there is none that counts."""
    return text(sample.defect) or "anomalous" if anomalous else "normal"
