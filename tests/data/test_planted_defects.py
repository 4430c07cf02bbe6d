from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import fabricate
from utad.data.planted_defects import ELONGATION, SHAPES, plant_defect
from utad.errors import InputError


def grey(level: int, height: int = 120, width: int = 160, dtype=np.uint8):
    return np.full((height, width, 3), level, dtype)


@settings(max_examples=60, deadline=None)
@given(
    shape=st.sampled_from(SHAPES),
    size=st.floats(1.0, 6.0),
    contrast=st.floats(0.05, 1.0),
    height=st.integers(64, 90),
    width=st.integers(64, 90),
    seed=st.integers(0, 10_000),
    wide=st.booleans(),
)
def test_only_the_defect_is_changed_and_all_of_it_lies_in_the_image(shape, size, contrast, height, width, seed, wide):
    image = fabricate.picture(height, width, seed=seed)
    if wide:
        image = image.astype(np.uint16) * 257
    before = image.copy()
    planted = plant_defect(image, shape, size, contrast, rng=np.random.default_rng(seed))
    assert np.array_equal(image, before)
    assert planted.image.dtype == image.dtype
    rows, columns = np.nonzero(planted.mask)
    assert len(rows) >= 1
    length = size * (ELONGATION if shape == "line" else 1)
    assert math.hypot(rows.max() - rows.min(), columns.max() - columns.min()) <= length + 2
    far = ~planted.mask
    far[max(0, rows.min() - 2) : rows.max() + 3, max(0, columns.min() - 2) : columns.max() + 3] = False
    assert np.array_equal(planted.image[far], image[far])


@pytest.mark.parametrize(("size", "least", "most"), [(3, 5, 10), (10, 70, 88), (40, 1200, 1320)])
def test_a_spot_has_the_area_of_its_diameter(size, least, most):
    planted = plant_defect(grey(128), "spot", size, 0.5, rng=np.random.default_rng(0))
    assert least <= planted.mask.sum() <= most


def test_a_line_is_as_wide_as_asked_and_ten_times_as_long():
    planted = plant_defect(grey(128), "line", 4, 0.5, rng=np.random.default_rng(3))
    rows, columns = np.nonzero(planted.mask)
    assert 4 * 36 * 0.9 <= len(rows) <= 4 * 40 * 1.1
    assert 36 <= math.hypot(np.ptp(rows), np.ptp(columns)) <= 42


@pytest.mark.parametrize(("level", "becomes"), [(200, 200 - 51), (60, 60 + 51)])
def test_the_contrast_is_a_part_of_the_full_range_towards_the_side_with_room(level, becomes):
    for image, scale in ((grey(level), 1), (grey(level * 257, dtype=np.uint16), 257)):
        planted = plant_defect(image, "spot", 9, 0.2, rng=np.random.default_rng(1))
        rows, columns = np.nonzero(planted.mask)
        middle = planted.image[round(rows.mean()), round(columns.mean())]
        assert middle.tolist() == [becomes * scale] * 3


def test_place_and_direction_do_not_depend_on_the_contrast():
    masks = [plant_defect(grey(128), "line", 3, contrast, rng=np.random.default_rng(7)).mask for contrast in (0.1, 0.9)]
    assert np.array_equal(*masks)


def test_the_middle_lies_in_the_region_of_interest():
    inside = np.zeros((120, 160), dtype=np.bool_)
    inside[40:60, 100:140] = True
    for seed in range(20):
        planted = plant_defect(grey(128), "spot", 6, 0.5, rng=np.random.default_rng(seed), inside=inside)
        rows, columns = np.nonzero(planted.mask)
        assert inside[round(rows.mean()), round(columns.mean())]
    with pytest.raises(InputError, match="no place for a defect of 6 pixels in the region of interest"):
        plant_defect(grey(128), "spot", 6, 0.5, rng=np.random.default_rng(0), inside=np.zeros_like(inside))


@pytest.mark.parametrize(
    ("shape", "size", "contrast", "words"),
    [
        ("hole", 5, 0.5, "got a defect of shape 'hole', expected one of spot, line"),
        ("spot", 0.5, 0.5, "got a defect of 0.5 pixels, expected at least 1"),
        ("spot", math.nan, 0.5, "got a defect of nan pixels"),
        ("spot", 5, 0.0, "got a contrast of 0, expected a number above 0 and at most 1"),
        ("spot", 5, 1.5, "got a contrast of 1.5"),
        ("line", 12, 0.5, "12 pixels, 120 long, for an image of 160 x 120: it does not fit"),
    ],
)
def test_what_cannot_be_planted_is_explained(shape, size, contrast, words):
    with pytest.raises(InputError, match=words):
        plant_defect(grey(128), shape, size, contrast, rng=np.random.default_rng(0))
