"""The shapes of a region of interest: boxes, polygons, and files of masks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Box = tuple[float, float, float, float]
"""Left, top, right and bottom."""

Polygon = tuple[tuple[float, float], ...]
"""At least three points, x and y each."""

Shape = Path | Box | Polygon
"""A box, a polygon, or the file of a mask whose pixels that are not zero are inside.

Coordinates run from 0 at the left and upper edges. If all of a shape are within 0 and 1, they are parts of the image;
otherwise pixels of the training images.
"""

EXPECTED = (
    "a box [left, top, right, bottom], a polygon [[x, y], ...] of at least 3 points, the path of a mask image, or a "
    "list of these; coordinates are parts of the image if all of a shape are within 0 and 1, pixels otherwise"
)


def shapes_of(value: Any) -> tuple[Shape, ...]:
    """Shapes from plain values, as YAML has them; one shape alone counts as a list of one.

    Raises:
        ValueError: saying what was got and what was expected.
    """
    if value is None:
        return ()
    if isinstance(value, str | Path):
        return (_shape(value),)
    if not isinstance(value, Sequence):
        raise ValueError(f"got {value!r}, expected {EXPECTED}")
    # One box, or one polygon, whose points are no shapes themselves.
    alone = bool(value) and (_is_number(value[0]) or all(_is_point(item) for item in value))
    return (_shape(value),) if alone else tuple(_shape(item) for item in value)


def is_relative(shape: Box | Polygon) -> bool:
    """Whether the coordinates are parts of the image, and not pixels."""
    return all(0.0 <= coordinate <= 1.0 for corner in corners_of(shape) for coordinate in corner)


def corners_of(shape: Box | Polygon) -> Polygon:
    """The corners in their order, x and y each."""
    if isinstance(shape[0], tuple):
        return shape
    left, top, right, bottom = shape
    return ((left, top), (right, top), (right, bottom), (left, bottom))


def plain(shape: Shape) -> Any:
    """A shape in the values that `shapes_of` reads."""
    if isinstance(shape, Path):
        return str(shape)
    return [list(part) if isinstance(part, tuple) else part for part in shape]


def _shape(value: Any) -> Shape:
    if isinstance(value, str | Path):
        if not str(value).strip():
            raise ValueError(f"got an empty path, expected {EXPECTED}")
        return Path(value)
    if not isinstance(value, Sequence):
        raise ValueError(f"got {value!r}, expected {EXPECTED}")
    shape: Box | Polygon
    if len(value) == 4 and all(_is_number(part) for part in value):
        left, top, right, bottom = (float(part) for part in value)
        if left >= right or top >= bottom:
            raise ValueError(f"got the box {list(value)}, whose right and bottom must be above its left and top")
        shape = (left, top, right, bottom)
    elif len(value) >= 3 and all(_is_point(part) for part in value):
        shape = tuple((float(x), float(y)) for x, y in value)
    else:
        raise ValueError(f"got {value!r}, expected {EXPECTED}")
    _check_coordinates(shape)
    return shape


def _check_coordinates(shape: Box | Polygon) -> None:
    coordinates = [coordinate for corner in corners_of(shape) for coordinate in corner]
    if not all(math.isfinite(coordinate) and coordinate >= 0.0 for coordinate in coordinates):
        raise ValueError(f"got the coordinates {plain(shape)}, which must be finite and not below 0")
    parts = [coordinate for coordinate in coordinates if 0.0 < coordinate < 1.0]
    if parts and max(coordinates) > 1.0:
        raise ValueError(
            f"got {plain(shape)}, where {parts[0]:g} can only be a part of the image and {max(coordinates):g} only "
            "pixels: give either for a whole shape"
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_point(value: Any) -> bool:
    return isinstance(value, Sequence) and len(value) == 2 and all(_is_number(part) for part in value)
