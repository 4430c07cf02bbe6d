"""Gradient noise after Perlin: smooth and random, for the outlines and the cloudiness of defects."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from utad.errors import InputError
from utad.types import FloatMap


def perlin_noise(size: tuple[int, int], lattice: tuple[int, int], *, rng: np.random.Generator) -> FloatMap:
    """One octave of gradient noise.

    A unit vector is drawn at every corner of a lattice. A pixel's value is the smooth interpolation
    of the four corners' dot products with the offset from the corner, so it is 0 on the corners and its
    features are about one lattice step large.

    Args:
        size: `(H, W)` of the result.
        lattice: number of lattice steps down and across, each at least 1.
        rng: source of the gradients.

    Returns:
        `(H, W)` float32 in [-1, 1], about 0 on average.

    Raises:
        InputError: a size or a number of lattice steps is below 1.

    References:
        K. Perlin, Improving Noise, SIGGRAPH 2002 (the quintic interpolation).
    """
    if min(*size, *lattice) < 1:
        raise InputError(f"got size {size} and {lattice} lattice steps, expected at least 1 each")
    angles = rng.uniform(0, 2 * np.pi, (lattice[0] + 1, lattice[1] + 1))
    # Pixel centres in grid units: never on a corner.
    y = (np.arange(size[0]) + 0.5) * lattice[0] / size[0]
    x = (np.arange(size[1]) + 0.5) * lattice[1] / size[1]
    top, left = np.floor(y).astype(int), np.floor(x).astype(int)
    fraction_y, fraction_x = (y - top)[:, None], (x - left)[None, :]

    def slope(down: int, right: int) -> NDArray[np.float64]:
        angle = angles[np.ix_(top + down, left + right)]  # (H, W)
        along: NDArray[np.float64] = np.sin(angle) * (fraction_y - down) + np.cos(angle) * (fraction_x - right)
        return along

    weight_y, weight_x = _fade(fraction_y), _fade(fraction_x)
    upper = slope(0, 0) * (1 - weight_x) + slope(0, 1) * weight_x
    lower = slope(1, 0) * (1 - weight_x) + slope(1, 1) * weight_x
    return (upper * (1 - weight_y) + lower * weight_y).astype(np.float32)


def _fade(
    t: NDArray[np.float64],
) -> NDArray[np.float64]:
    faded: NDArray[np.float64] = t**3 * (t * (t * 6 - 15) + 10)
    return faded
