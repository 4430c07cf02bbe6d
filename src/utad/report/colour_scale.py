"""The colours of anomaly maps, with values on them, for every page alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from utad.interpret.figures import coloured, strength
from utad.report.data_uris import picture_uri

LEVELS = (0.0, 0.25, 0.5, 1.0, 2.0)
"""Values marked on the scale."""


@dataclass(frozen=True)
class ColourScale:
    """The colours from 0 to the highest, and where values lie on them.

    Attributes:
        uri: data URI of a picture whose colours rise from left to right.
        marks: position in per cent of the width, and value.
    """

    uri: str
    marks: tuple[tuple[float, float], ...]


def colour_ramp() -> NDArray[np.uint8]:
    """The colours from the lowest level, left, to the highest, `(8, 256, 3)` uint8, RGB."""
    return np.repeat(coloured(np.linspace(0.0, 1.0, 256, dtype=np.float32)[None]), 8, axis=0)


def colour_scale() -> ColourScale:
    """The one scale that there is."""
    positions = 100.0 * strength(np.asarray(LEVELS, np.float32))
    marks = tuple(zip(positions.tolist(), LEVELS, strict=True))
    return ColourScale(picture_uri(colour_ramp(), 256), marks)
