from __future__ import annotations

import json

import numpy as np
import pytest

from tests import fabricate
from utad.data.region_of_interest import RegionOfInterest, lowest_outside, nearest

MASK = np.zeros((6, 8), bool)
MASK[1:4, 2:7] = True
MASK[2, 3] = False
REGION = RegionOfInterest(MASK, (10, 20, 30))


def test_at_its_own_size_a_region_is_its_mask():
    assert np.array_equal(REGION.inside((6, 8)), MASK)
    assert np.array_equal(REGION.inside((12, 16)), MASK.repeat(2, axis=0).repeat(2, axis=1))
    # Of three to one the middle ones are left.
    assert np.array_equal(nearest(MASK.repeat(3, axis=0).repeat(3, axis=1), (6, 8)), MASK)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 11), (97, 6)])
def test_every_pixel_has_the_value_that_its_centre_lies_on(size):
    found = nearest(MASK, size)
    assert found.shape == size
    for row, column in np.ndindex(size):
        own = int((row + 0.5) / size[0] * 6), int((column + 0.5) / size[1] * 8)
        assert found[row, column] == MASK[own]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_what_lies_outside_is_filled_at_full_scale(dtype):
    image = fabricate.picture(12, 16).astype(dtype)
    before = image.copy()
    filled, inside = REGION.filled(image), REGION.inside((12, 16))
    assert filled.dtype == dtype
    assert np.array_equal(filled[inside], image[inside])
    assert (filled[~inside] == np.array([10, 20, 30]) * (257 if dtype == np.uint16 else 1)).all()
    assert np.array_equal(image, before)
    assert (REGION.blackened(image)[~inside] == 0).all()
    assert REGION.blackened(image / np.float32(255)).dtype == np.float32


def test_whether_16_bits_are_needed_is_decided_inside():
    image = fabricate.picture(6, 8)
    deep = image.astype(np.uint16) * 257
    deep[~MASK] += 1
    assert np.array_equal(REGION.filled(deep), REGION.filled(image))
    deep[MASK] -= deep[MASK] // 2
    assert REGION.filled(deep).dtype == np.uint16


def test_a_region_travels_as_plain_values():
    values = json.loads(json.dumps(REGION.as_dict()))
    assert values["size"] == [6, 8]
    again = RegionOfInterest.of(values)
    assert np.array_equal(again.mask, MASK)
    assert again.fill == (10, 20, 30)
    assert RegionOfInterest.of(None) is None


def test_outside_a_map_has_the_lowest_value_of_those_inside():
    values = np.array([[5.0, -9.0], [2.0, 3.0]], np.float32)
    inside = np.array([[True, False], [True, True]])
    assert lowest_outside(values, inside).tolist() == [[5.0, 2.0], [2.0, 3.0]]
    assert lowest_outside(values, None) is values
    assert np.isfinite(lowest_outside(values, np.zeros((2, 2), bool))).all()
