"""Defects of a known size and contrast, put into normal images to measure which of them can be seen.

Spots and lines, one shade darker or brighter than what they lie on: less than real defects are, and therefore the
question that an engineer can ask before the first real one is there. The detector never trains on them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from utad.errors import InputError
from utad.types import FloatMap, Image, Mask

Shape = Literal["spot", "line"]

SHAPES: tuple[Shape, ...] = ("spot", "line")
"""A disc of a diameter, and a stroke of a width that is `ELONGATION` times as long."""

ELONGATION = 10
LEAST_SIZE = 1.0

_DRAWS = 1000


@dataclass(frozen=True)
class PlantedDefect:
    """An image with a defect.

    Attributes:
        image: `(H, W, 3)`, of the type of the original.
        mask: `(H, W)` bool, the pixels of which the defect covers at least a half, or most where there are none.
    """

    image: Image = field(repr=False)
    mask: Mask = field(repr=False)


def plant_defect(
    image: Image,
    shape: Shape,
    size: float,
    contrast: float,
    *,
    rng: np.random.Generator,
    inside: Mask | None = None,
) -> PlantedDefect:
    """Puts one defect somewhere into an image.

    With the same state of `rng` the place and the direction are those of any other contrast, and nearly those of any
    other size: what is found at one and not at another is due to them.

    Args:
        image: `(H, W, 3)`, uint8 or uint16; it is not changed.
        shape: one of `SHAPES`.
        size: diameter of the spot, or width of the line, in pixels of the image, at least 1.
        contrast: by which every channel becomes darker, or brighter where it is rather dark, in (0, 1] of the full
            range of the type. Where an image has no room left for it, the change is smaller.
        rng: source of place and direction.
        inside: `(H, W)` bool, where the middle of the defect may lie; None for anywhere.

    Raises:
        InputError: if the defect does not fit into the image, or an argument is out of range.
    """
    _check(shape, size, contrast)
    height, width = image.shape[:2]
    length = size * ELONGATION if shape == "line" else size
    if length + 2 > min(height, width):
        raise InputError(
            f"got a {shape} of {size:g} pixels, {length:g} long, for an image of {width} x {height}: it does not fit; "
            "take a smaller one"
        )
    row, column = _middle((height, width), length, rng, inside)
    angle = rng.uniform(0, math.pi)
    top, left = (max(0, math.floor(middle - length / 2) - 1) for middle in (row, column))
    bottom, right = (min(side, math.ceil(middle + length / 2) + 2) for side, middle in ((height, row), (width, column)))
    rows, columns = np.mgrid[top:bottom, left:right].astype(np.float32)
    opacity = _opacity(rows - row, columns - column, size, length, angle)
    window = (slice(top, bottom), slice(left, right))
    changed, mask = image.copy(), np.zeros((height, width), dtype=np.bool_)
    changed[window], mask[window] = _shaded(image[window], opacity, contrast), opacity >= min(0.5, opacity.max())
    return PlantedDefect(changed, mask)


def _check(shape: str, size: float, contrast: float) -> None:
    if shape not in SHAPES:
        raise InputError(f"got a defect of shape {shape!r}, expected one of {', '.join(SHAPES)}")
    if not (math.isfinite(size) and size >= LEAST_SIZE):
        raise InputError(f"got a defect of {size:g} pixels, expected at least {LEAST_SIZE:g}")
    if not 0 < contrast <= 1:
        raise InputError(f"got a contrast of {contrast:g}, expected a number above 0 and at most 1")


def _middle(
    shape: tuple[int, int], length: float, rng: np.random.Generator, inside: Mask | None
) -> tuple[float, float]:
    """Row and column of the middle, so that all of the defect lies in the image."""
    for _ in range(_DRAWS):
        row, column = (
            length / 2 + share * (side - 1 - length) for side, share in zip(shape, rng.random(2), strict=True)
        )
        if inside is None or inside[round(row), round(column)]:
            return row, column
    raise InputError(f"found no place for a defect of {length:g} pixels in the region of interest; take a smaller one")


def _opacity(
    rows: NDArray[np.float32], columns: NDArray[np.float32], size: float, length: float, angle: float
) -> FloatMap:
    """The part of each pixel that a stroke with round ends through the origin covers; a disc where it has no length."""
    across, along = math.cos(angle), math.sin(angle)
    half = (length - size) / 2
    nearest = np.clip(rows * across + columns * along, -half, half)
    distance = np.hypot(rows - nearest * across, columns - nearest * along)
    return cast("FloatMap", np.clip(size / 2 - distance + 0.5, 0, 1).astype(np.float32))


def _shaded(image: Image, opacity: FloatMap, contrast: float) -> Image:
    full = float(np.iinfo(image.dtype).max)
    before = image.astype(np.float32)
    level = float(np.average(before.mean(axis=2), weights=opacity))
    step = np.float32(contrast * full * (-1 if level > full / 2 else 1))
    after = np.rint(before + step * opacity[..., None])
    return cast("Image", np.clip(after, 0, full).astype(image.dtype))
