"""Whether images have red and blue in the order of those that a detector was trained on: OpenCV reads BGR, not RGB."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from utad.data.region_of_interest import RegionOfInterest
from utad.data.streaming import Read
from utad.errors import ImageReadError

_log = logging.getLogger(__name__)

_CELLS = 4
_POINTS = 16
"""Pixels along each side of a cell that are looked at."""

_LEAST_COLOUR = 0.02
"""Root mean square of red minus blue, in parts of the mean level, below which images count as grey."""

_MOST_SPREAD = 1 / 3
_SWAPPED = -0.5
_ENOUGH = 8
"""Images after which a stream is judged; one that is shorter is judged at its end."""


@dataclass(frozen=True)
class ColourOrder:
    """Where normal images are more red than blue, and where less.

    Attributes:
        red_minus_blue: mean over the normal images, in each cell of a 4 x 4 grid, row by row.
    """

    red_minus_blue: tuple[float, ...]

    @classmethod
    def of(cls, values: Mapping[str, Any] | None) -> ColourOrder | None:
        """From the plain values that a model file holds; None where it holds none."""
        return cls(tuple(values["red_minus_blue"])) if values is not None else None

    def agreement(self, image: NDArray[Any]) -> float:
        """Of an image `(H, W, 3)`: about 1 for one like the normal images, and 0 for a grey one.

        With red and blue exchanged it is the negative of that.
        """
        return _agreement(_red_minus_blue(image), np.array(self.red_minus_blue))


def fit_colour_order(images: Iterable[NDArray[Any]]) -> ColourOrder | None:
    """What normal images `(H, W, 3)` of any type have in common.

    Returns:
        None where they are grey, or differ so much in colour that nothing could be told from it.
    """
    found = np.stack([_red_minus_blue(image) for image in images])  # (N, cells)
    mean = found.mean(axis=0)
    if np.sqrt(np.square(mean).mean()) < _LEAST_COLOUR:
        return None
    spread = np.std([_agreement(one, mean) for one in found])
    return ColourOrder(tuple(mean.tolist())) if spread < _MOST_SPREAD else None


def watched(
    batches: Iterable[list[Read]], order: ColourOrder, region: RegionOfInterest | None = None
) -> Iterator[list[Read]]:
    """Batches as they come; where red and blue are exchanged in the images as a whole, one warning says so.

    Args:
        batches: as they are read.
        order: of the training images.
        region: what is looked at; None for the whole image.
    """
    agreements: list[float] = []
    judged = False
    for batch in batches:
        if not judged:
            images = [image for _, image in batch if not isinstance(image, ImageReadError)]
            agreements += [order.agreement(region.blackened(image) if region else image) for image in images]
            judged = len(agreements) >= _ENOUGH
            if judged:
                _warn_if_swapped(agreements)
        yield batch
    if not judged:
        _warn_if_swapped(agreements)


def _warn_if_swapped(agreements: Sequence[float]) -> None:
    if agreements and float(np.median(agreements)) < _SWAPPED:
        _log.warning(
            "red and blue look exchanged in these images, compared with those of the training: channels are RGB; what "
            "OpenCV reads is BGR (image[..., ::-1]). Another white balance can look so too: utad calibrate --normal"
        )


def _agreement(one: NDArray[np.float64], mean: NDArray[np.float64]) -> float:
    return float(one @ mean / (mean @ mean))


def _red_minus_blue(image: NDArray[Any]) -> NDArray[np.float64]:
    """By cell `(16,)`, in parts of the mean level, which makes it independent of exposure and of the type."""
    side = _CELLS * _POINTS
    rows, columns = (np.arange(side) * length // side for length in image.shape[:2])
    points = image[np.ix_(rows, columns)].astype(np.float64)  # (64, 64, 3)
    level = points.mean()
    difference = (points[..., 0] - points[..., 2]).reshape(_CELLS, _POINTS, _CELLS, _POINTS).mean(axis=(1, 3))
    return difference.ravel() / level if level > 0 else np.zeros(_CELLS**2)
