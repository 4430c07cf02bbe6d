"""Outlines of defects: maps in [0, 1], 1 inside, 0 outside, with an edge a pixel or two wide."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import PIL.Image
import PIL.ImageDraw
from numpy.typing import NDArray

from utad.data.perlin import perlin_noise
from utad.types import FloatMap

MIN_FRACTION = 0.002
"""The inside of an outline, where the map is at least 0.5, covers at least this part of the image."""

MAX_FRACTION = 0.15
"""All that an outline touches, where the map is above 0, covers at most this part of the image."""

Floats = NDArray[np.float64]

Outline = Callable[[tuple[int, int], np.random.Generator], FloatMap]
"""From a size `(H, W)` and a source of randomness to a map `(H, W)`."""


def drawn(outline: Outline, size: tuple[int, int], rng: np.random.Generator) -> FloatMap:
    """Draws an outline until it is neither too small nor too large for the image.

    Args:
        outline: what to draw.
        size: `(H, W)`.
        rng: source of randomness.

    Returns:
        `(H, W)` float32 in [0, 1], within `MIN_FRACTION` and `MAX_FRACTION`.
    """
    for _ in range(20):
        shape = outline(size, rng)
        if fits(shape):
            return shape
    # Very long and narrow images leave most outlines outside; this one is stretched with the image.
    return _stretched_ellipse(size, rng)


def fits(shape: FloatMap) -> bool:
    """Whether an outline is neither too small nor too large for its image."""
    inside, touched = np.count_nonzero(shape >= 0.5), np.count_nonzero(shape)
    return bool(inside >= MIN_FRACTION * shape.size and touched <= MAX_FRACTION * shape.size)


def stroke(size: tuple[int, int], rng: np.random.Generator) -> FloatMap:
    """A curved line, tapering off to both ends, in any direction."""
    scale = _scale(size)
    length, width = rng.uniform(0.35, 0.8) * scale, rng.uniform(0.010, 0.022) * scale
    angle = rng.uniform(0, 2 * math.pi)
    centre = _random_position(size, rng, margin=0.25)
    along = np.array([math.sin(angle), math.cos(angle)])
    across = np.array([along[1], -along[0]])
    bend = rng.uniform(-0.25, 0.25) * length
    t = np.linspace(-1, 1, 65)[:, None]
    points = centre + along * t * length / 2 + across * bend * (t**2 - 0.5)  # (65, 2), rows and columns
    # Drawn large and reduced, for a smooth edge.
    factor = max(1, min(4, 2048 // max(size)))
    canvas = PIL.Image.new("L", (size[1] * factor, size[0] * factor))
    pen = PIL.ImageDraw.Draw(canvas)
    for point, position in zip(points, t[:, 0], strict=True):
        radius = max(0.7, width * (1 - 0.6 * position**2)) * factor
        row, column = point * factor
        pen.ellipse((column - radius, row - radius, column + radius, row + radius), fill=255)
    _join(pen, points * factor, 2 * max(0.7, 0.4 * width) * factor)
    return np.asarray(canvas.reduce(factor), dtype=np.float32) / np.float32(255)


def blob(size: tuple[int, int], rng: np.random.Generator, *, radii: tuple[float, float]) -> FloatMap:
    """A round patch with an uneven rim.

    Args:
        size: `(H, W)`.
        rng: source of randomness.
        radii: smallest and largest mean radius, in units of the square root of the image's area.
    """
    scale = _scale(size)
    radius = rng.uniform(*radii) * scale
    y, x = _rotated_offsets(size, rng, stretch=rng.uniform(1.0, 1.5))
    angle = np.arctan2(y, x)
    rim = np.ones_like(angle)
    for order in (2, 3, 5):
        rim += rng.uniform(0, 0.25 / order) * np.cos(order * angle + rng.uniform(0, 2 * math.pi))
    return _edge(radius * rim - np.hypot(y, x), width=max(1.5, 0.012 * scale))


def patch(size: tuple[int, int], rng: np.random.Generator) -> FloatMap:
    """A rectangle with straight, sharp sides, in any direction."""
    scale = _scale(size)
    y, x = _rotated_offsets(size, rng, stretch=1.0)
    half_height, half_width = rng.uniform(0.08, 0.16, 2) * scale
    return _edge(np.minimum(half_height - np.abs(y), half_width - np.abs(x)), width=1.5)


def cloud(size: tuple[int, int], rng: np.random.Generator) -> FloatMap:
    """The peaks of gradient noise: one or several patches of no particular shape."""
    scale = _scale(size)
    step = rng.uniform(0.2, 0.4) * scale
    lattice = (max(1, round(size[0] / step)), max(1, round(size[1] / step)))
    noise = perlin_noise(size, lattice, rng=rng)
    level = np.quantile(noise, 1 - rng.uniform(0.03, 0.12))
    # Noise rises by about 1 within a lattice step, which turns the width of the edge into a difference of levels.
    return _edge((noise - level).astype(np.float64) * step, width=2.0)


def _edge(depth: Floats, *, width: float) -> FloatMap:
    """From the depth below the outline, in pixels, to opacity: 0 outside, 1 from `width` pixels on."""
    t = np.clip(depth / width, 0, 1)
    return (t * t * (3 - 2 * t)).astype(np.float32)


def _scale(size: tuple[int, int]) -> float:
    return math.sqrt(size[0] * size[1])


def _random_position(size: tuple[int, int], rng: np.random.Generator, *, margin: float) -> Floats:
    return np.array([rng.uniform(margin, 1 - margin) * size[0], rng.uniform(margin, 1 - margin) * size[1]])


def _rotated_offsets(size: tuple[int, int], rng: np.random.Generator, *, stretch: float) -> tuple[Floats, Floats]:
    centre = _random_position(size, rng, margin=0.2)
    angle = rng.uniform(0, 2 * math.pi)
    down = (np.arange(size[0]) + 0.5 - centre[0])[:, None]
    right = (np.arange(size[1]) + 0.5 - centre[1])[None, :]
    y = down * math.cos(angle) - right * math.sin(angle)
    x = down * math.sin(angle) + right * math.cos(angle)
    # Stretching one axis and shrinking the other keeps the area.
    return y * math.sqrt(stretch), x / math.sqrt(stretch)


def _join(pen: PIL.ImageDraw.ImageDraw, points: Floats, width: float) -> None:
    corners = [(float(column), float(row)) for row, column in points]
    pen.line(corners, fill=255, width=max(1, round(width)), joint="curve")


def _stretched_ellipse(size: tuple[int, int], rng: np.random.Generator) -> FloatMap:
    centre = _random_position((1, 1), rng, margin=0.2)
    y = (np.arange(size[0]) + 0.5) / size[0] - centre[0]
    x = (np.arange(size[1]) + 0.5) / size[1] - centre[1]
    radius = rng.uniform(0.08, 0.16)
    depth = (radius - np.hypot(y[:, None], x[None, :])) * min(size)
    return _edge(depth, width=1.5)
