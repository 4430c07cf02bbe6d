"""Marks for the kinds of images in a chart: shapes and colours that colour-blind people tell apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

NORMAL = "normal"

_COLOURS = ("#d55e00", "#009e73", "#cc79a7", "#e69f00", "#8c6bb1", "#56b4e9", "#999999")
"""Okabe and Ito's, without the blue that normal images have, and a violet."""

_NORMAL_COLOUR = "#0072b2"

_SHAPES = ("s", "^", "D", "v", "P", "X", "p", "*")
"""Matplotlib's names; normal images alone have circles."""

_CORNERS = {"^": (3, 0.0), "v": (3, math.pi), "s": (4, math.pi / 4), "D": (4, 0.0), "p": (5, 0.0)}
"""Regular shapes: how many corners, and by what angle they are turned."""


@dataclass(frozen=True)
class Mark:
    """How the images of one kind are drawn.

    Attributes:
        kind: of the images.
        shape: Matplotlib's name of the marker.
        colour: as `#rrggbb`; what lies on it needs an outline, for some contrast little with white.
        path: the shape as the path of an SVG around the origin, in a circle of radius 1; empty for a circle.
    """

    kind: str
    shape: str
    colour: str
    path: str


def marks_of(kinds: Sequence[str]) -> dict[str, Mark]:
    """A mark for every kind, `NORMAL` first and always with the same, the others by name.

    Shapes and colours recur after 8 and 7 kinds, both together after 56.
    """
    others = sorted(set(kinds) - {NORMAL})
    found = {NORMAL: Mark(NORMAL, "o", _NORMAL_COLOUR, "")} if NORMAL in kinds else {}
    for index, kind in enumerate(others):
        shape = _SHAPES[index % len(_SHAPES)]
        found[kind] = Mark(kind, shape, _COLOURS[index % len(_COLOURS)], _path(shape))
    return found


def _path(shape: str) -> str:
    if shape in _CORNERS:
        corners, turned = _CORNERS[shape]
        return _closed([(1.0, turned + 2 * math.pi * corner / corners) for corner in range(corners)])
    if shape == "*":
        return _closed([((1.0, 0.45)[point % 2], math.pi * point / 5) for point in range(10)])
    # A cross of bars a third as wide as long, upright for P and lying for X.
    turned = math.pi / 4 if shape == "X" else 0.0
    inner, outer = math.sqrt(2) / 3, math.hypot(1.0, 1 / 3)
    narrow = math.atan(1 / 3)
    points = []
    for arm in range(4):
        middle = turned + arm * math.pi / 2
        points += [(outer, middle - narrow), (outer, middle + narrow), (inner, middle + math.pi / 4)]
    return _closed(points)


def _closed(points: Sequence[tuple[float, float]]) -> str:
    """A path through points given by radius and angle from the upright, clockwise."""
    corners = (f"{radius * math.sin(angle):.3f} {-radius * math.cos(angle):.3f}" for radius, angle in points)
    return f"M{'L'.join(corners)}Z"
