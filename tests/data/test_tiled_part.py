from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import fabricate
from utad.data.region_of_interest import RegionOfInterest
from utad.data.tiled_part import tiled_part

SIZE = (20, 30)


def region_of(mask) -> RegionOfInterest:
    return RegionOfInterest(mask, (7, 8, 9))


def box(top: int, bottom: int, left: int, right: int) -> RegionOfInterest:
    mask = np.zeros(SIZE, bool)
    mask[top:bottom, left:right] = True
    return region_of(mask)


@st.composite
def regions(draw):
    mask = np.random.default_rng(draw(st.integers(0, 99))).random(SIZE) < draw(st.sampled_from([0.02, 0.5, 0.98]))
    mask[draw(st.integers(0, 19)), draw(st.integers(0, 29))] = True
    return region_of(mask)


def test_without_a_region_it_is_the_image_itself():
    image = fabricate.picture(*SIZE)
    part = tiled_part(SIZE, None)
    assert part.taken_from(image) is image
    assert (part.origin, part.shape) == ((0, 0), SIZE)
    assert part.counts(0, 0, 5)


def test_a_box_is_cut_out_as_it_is():
    image = fabricate.picture(*SIZE)
    part = tiled_part(SIZE, box(3, 15, 10, 28))
    assert (part.origin, part.shape) == ((3, 10), (12, 18))
    assert np.array_equal(part.taken_from(image), image[3:15, 10:28])


def test_what_does_not_count_is_the_mirror_image_of_what_does():
    mask = np.ones(SIZE, bool)
    mask[:, 12:16] = False  # a bar between two parts that count
    mask[:5, :5] = False  # a corner
    image = fabricate.picture(*SIZE)
    taken = tiled_part(SIZE, region_of(mask)).taken_from(image)
    assert np.array_equal(taken[mask], image[mask])
    assert np.array_equal(taken[8, [12, 13]], image[8, [10, 9]])
    assert np.array_equal(taken[8, [14, 15]], image[8, [18, 17]])
    assert np.array_equal(taken[4, 2], image[6, 2])


def test_where_the_mirror_image_does_not_count_it_is_the_nearest_pixel():
    mask = np.zeros(SIZE, bool)
    mask[:, 0] = mask[:, 29] = True
    image = fabricate.picture(*SIZE)
    taken = tiled_part(SIZE, region_of(mask)).taken_from(image)
    assert np.array_equal(taken[:, 1:15], np.repeat(image[:, :1], 14, axis=1))


@settings(deadline=None)
@given(regions(), st.sampled_from([np.uint8, np.uint16]))
def test_nothing_depends_on_what_does_not_count(region, dtype):
    scale = 257 if dtype == np.uint16 else 1
    image = fabricate.picture(*SIZE).astype(dtype) * scale
    noise = np.random.default_rng(1).integers(0, np.iinfo(dtype).max, image.shape, dtype)
    other = np.where(region.mask[..., None], image, noise)
    part = tiled_part(SIZE, region)
    one, another = part.taken_from(image), part.taken_from(other)
    assert np.array_equal(one, another)
    assert one.dtype == another.dtype == np.uint8  # none of what counts has more than 8 bits
    assert np.array_equal(image, fabricate.picture(*SIZE).astype(dtype) * scale)  # it is not changed


@settings(deadline=None)
@given(regions())
def test_maps_have_their_lowest_value_where_nothing_counts(region):
    part = tiled_part(SIZE, region)
    (top, left), (height, width) = part.origin, part.shape
    values = np.random.default_rng(2).random(part.shape, np.float32)
    whole = part.map_of(values)
    inside = region.mask
    own = np.zeros(SIZE, np.float32)
    own[top : top + height, left : left + width] = values
    assert np.array_equal(whole[inside], own[inside])
    assert (whole[~inside] == own[inside].min()).all()


def test_pictures_have_one_colour_where_nothing_counts():
    region = box(3, 15, 10, 28)
    picture = fabricate.picture(12, 18)
    whole = tiled_part(SIZE, region).picture_of(picture)
    assert np.array_equal(whole[3:15, 10:28], picture)
    assert (whole[~region.mask] == (7, 8, 9)).all()


def test_which_tiles_count():
    mask = np.zeros(SIZE, bool)
    mask[:, 0] = mask[0] = True  # an L: its box is the image
    part = tiled_part(SIZE, region_of(mask))
    assert part.counts(0, 20, 10)
    assert part.counts(10, 0, 10)
    assert not part.counts(10, 10, 10)


@pytest.mark.parametrize("size", [(1, 1), (2, 2)])
def test_images_too_small_for_a_region_are_taken_whole(size):
    image = fabricate.picture(*size)
    part = tiled_part(size, box(3, 4, 10, 11))
    assert part.inside is None
    assert part.taken_from(image) is image
