from __future__ import annotations

import re

import numpy as np
import pytest
from skimage.draw import polygon2mask

from utad.interpret.contours import outline_path, outlines


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


@pytest.mark.parametrize("step", [1, 3])
def test_an_outline_encloses_the_mask_in_pixels_of_the_image(step):
    mask = np.zeros((90 * step, 120 * step), bool)
    mask[30 * step : 60 * step, 45 * step : 90 * step] = True
    mask[0 : 6 * step, 0 : 6 * step] = True
    path = outline_path(mask, 10_000)
    drawn = np.zeros(mask.shape, bool)
    for part in re.findall(r"M([^Z]*)Z", path):
        points = np.array([[float(value) for value in point.split()] for point in part.split("L")])
        drawn |= polygon2mask(mask.shape, points[:, ::-1] - 0.5)
    assert np.count_nonzero(drawn ^ mask) < 0.12 * np.count_nonzero(mask)
    assert len(outline_path(np.random.default_rng(0).random((64, 64)) > 0.5, 500)) <= 500
    assert outline_path(np.zeros((4, 4), bool), 500) == ""


def test_a_finer_outline_follows_what_a_coarse_one_cannot():
    mask = np.zeros((512, 512), bool)
    mask[100:103, 200:203] = True
    (fine,) = re.findall(r"M([^Z]*)Z", outline_path(mask, 10_000, finest=512))
    points = np.array([[float(value) for value in point.split()] for point in fine.split("L")])
    assert (points.min(axis=0) >= [199.9, 99.9]).all()
    assert (points.max(axis=0) <= [203.1, 103.1]).all()
