from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from utad.data.shapes import MAX_FRACTION, MIN_FRACTION, blob, cloud, drawn, fits, patch, stroke

OUTLINES = {"stroke": stroke, "blob": partial(blob, radii=(0.05, 0.18)), "patch": patch, "cloud": cloud}


@pytest.mark.parametrize("name", OUTLINES)
@pytest.mark.parametrize("size", [(32, 32), (128, 128), (37, 200), (32, 3000), (500, 400)])
def test_area_stays_within_bounds(name, size):
    for seed in range(6):
        shape = drawn(OUTLINES[name], size, np.random.default_rng(seed))
        assert shape.shape == size
        assert shape.dtype == np.float32
        assert shape.min() == 0
        assert shape.max() <= 1
        assert np.count_nonzero(shape >= 0.5) >= MIN_FRACTION * shape.size
        assert np.count_nonzero(shape) <= MAX_FRACTION * shape.size


def test_edges_are_soft():
    shape = drawn(OUTLINES["blob"], (128, 128), np.random.default_rng(0))
    assert np.unique(shape).size > 10
    assert np.abs(np.diff(shape, axis=1)).max() < 1


def test_strokes_take_every_direction():
    angles = []
    for seed in range(40):
        y, x = np.nonzero(drawn(stroke, (128, 128), np.random.default_rng(seed)) > 0.5)
        _, vectors = np.linalg.eigh(np.cov(x, y))
        angles.append(np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1])) % 180)
    assert all(count > 0 for count in np.histogram(angles, bins=6, range=(0, 180))[0])


def test_an_outline_that_never_fits_is_replaced():
    empty = drawn(lambda size, rng: np.zeros(size, np.float32), (50, 1000), np.random.default_rng(0))
    full = drawn(lambda size, rng: np.ones(size, np.float32), (50, 1000), np.random.default_rng(0))
    assert fits(empty)
    assert fits(full)
