from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utad.data.perlin import perlin_noise
from utad.errors import InputError


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 9), st.integers(1, 9), st.integers(0, 99))
def test_shape_type_and_range(height, width, down, across, seed):
    noise = perlin_noise((height, width), (down, across), rng=np.random.default_rng(seed))
    assert noise.shape == (height, width)
    assert noise.dtype == np.float32
    assert np.abs(noise).max() <= 1


def test_it_is_smooth_across_cells_and_nearly_zero_at_their_corners():
    noise = perlin_noise((400, 400), (4, 4), rng=np.random.default_rng(0))
    assert noise.std() > 0.1
    # The steepest slope of gradient noise is below 4 per cell; a cell is 100 pixels.
    assert np.abs(np.diff(noise, axis=0)).max() < 0.04
    assert np.abs(np.diff(noise, axis=1)).max() < 0.04
    assert np.abs(noise[100::100, 100::100]).max() < 0.02


def test_one_cell_by_hand(monkeypatch):
    class Down:
        def uniform(self, low: float, high: float, size: tuple[int, int]) -> np.ndarray:
            return np.full(size, np.pi / 2)  # every gradient points down

    # At the centre the corners give +0.5, +0.5, -0.5, -0.5 with equal weights.
    assert perlin_noise((1, 1), (1, 1), rng=Down())[0, 0] == pytest.approx(0)  # type: ignore[arg-type]
    # At 1/4 down: fade(1/4) = 53/512; 0.25 * (1 - w) - 0.75 * w.
    top = perlin_noise((2, 1), (1, 1), rng=Down())[0, 0]  # type: ignore[arg-type]
    assert top == pytest.approx(0.25 * (1 - 53 / 512) - 0.75 * 53 / 512, abs=1e-6)


def test_seeds():
    one, same, other = (perlin_noise((20, 20), (3, 3), rng=np.random.default_rng(s)) for s in (0, 0, 1))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(("size", "lattice"), [((0, 4), (1, 1)), ((4, 4), (0, 1))])
def test_refuses_nothing(size, lattice):
    with pytest.raises(InputError, match="at least 1"):
        perlin_noise(size, lattice, rng=np.random.default_rng(0))
