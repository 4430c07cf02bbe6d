from __future__ import annotations

import numpy as np
import pytest
from skimage.draw import polygon2mask

from utad.interpret.contours import outlines


def filled(lines: list[np.ndarray], size: tuple[int, int]) -> np.ndarray:
    """The pixels whose centres lie inside an odd number of the lines."""
    inside = np.zeros(size, bool)
    for line in lines:
        inside ^= polygon2mask(size, line[:, ::-1])
    return inside


def masks() -> dict[str, np.ndarray]:
    blobs = np.random.default_rng(0).random((30, 41)) > 0.6
    ring = np.zeros((20, 24), bool)
    ring[4:16, 5:19] = True
    ring[8:12, 9:14] = False
    border = np.zeros((9, 7), bool)
    border[:3, 4:] = True
    corner = np.eye(6, dtype=bool)
    return {"blobs": blobs, "ring": ring, "border": border, "corner": corner, "all": np.ones((5, 8), bool)}


@pytest.mark.parametrize("name", masks())
def test_outlines_enclose_the_pixels_of_the_mask_and_no_others(name):
    mask = masks()[name]
    lines = outlines(mask)
    # Skimage counts a point on the first and last row of its grid by its own rules: a rim keeps away from them.
    found = filled([line + 1 for line in lines], (mask.shape[0] + 2, mask.shape[1] + 2))
    np.testing.assert_array_equal(found, np.pad(mask, 1))


def test_outlines_are_closed_and_one_for_each_region_and_hole():
    lines = outlines(masks()["ring"])
    assert len(lines) == 2
    assert all(np.array_equal(line[0], line[-1]) for line in lines)
    assert len(outlines(masks()["corner"])) == 1


def test_an_empty_mask_has_none():
    assert outlines(np.zeros((4, 4), bool)) == []
