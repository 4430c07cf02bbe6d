"""Fabricated images of an inspection camera: a rough grey surface, and defects of a few pixels on it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, zoom

_CONTRAST = 45.0
"""Levels of 255 that a defect is darker or lighter than its surroundings, at its middle."""


def texture(height: int, width: int, seed: int) -> NDArray[np.float32]:
    """A rough grey surface `(height, width)`: shading, spots of some 20 pixels, and grain."""
    rng = np.random.default_rng(seed)
    shading = zoom(rng.normal(0, 1, (5, 5)).astype(np.float32), (height / 5, width / 5), order=1)[:height, :width]
    small = gaussian_filter(rng.normal(0, 1, (height // 4, width // 4)).astype(np.float32), 2.0)
    spots = zoom(small / small.std(), 4, order=1)[:height, :width]
    spots = np.pad(spots, ((0, height - spots.shape[0]), (0, width - spots.shape[1])), mode="edge")
    grain = rng.standard_normal((height, width), dtype=np.float32)
    found: NDArray[np.float32] = 127 + 12 * shading + 10 * spots + 8 * grain
    return found


def with_defect(surface: NDArray[np.float32], defect: int, seed: int) -> NDArray[np.float32]:
    """The surface with one dark or light spot `defect` pixels wide, or a scratch of that length, anywhere."""
    rng = np.random.default_rng(seed)
    height, width = surface.shape
    top, left = (int(rng.integers(defect, length - 2 * defect)) for length in (height, width))
    y, x = np.mgrid[: 2 * defect, : 2 * defect] - (defect - 0.5)
    angle = rng.uniform(0, np.pi)
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    across = across * (1.0 if rng.random() < 0.5 else 4.0)  # a scratch is a quarter as wide as it is long
    shape = np.clip(defect / 2 + 0.5 - np.hypot(along, across), 0, 1)
    changed = surface.copy()
    changed[top : top + 2 * defect, left : left + 2 * defect] += rng.choice([-1, 1]) * _CONTRAST * shape
    return changed


def image(height: int, width: int, seed: int, defect: int = 0) -> NDArray[np.uint8]:
    """One image `(height, width)` uint8, with a defect if its size is not 0."""
    surface = texture(height, width, seed)
    surface = with_defect(surface, defect, seed) if defect else surface
    return np.rint(surface).clip(0, 255).astype(np.uint8)
