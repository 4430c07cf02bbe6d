from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import fabricate
from utad.data.region_of_interest import RegionOfInterest
from utad.data.tiling import LEAST_DEFECT, Layout, Stitcher, Tiling, automatic_overlap, automatic_side, continued


@st.composite
def tilings(draw):
    side = draw(st.integers(2, 24))
    return Tiling(side, draw(st.integers(0, side // 2)))


sizes = st.tuples(st.integers(1, 70), st.integers(1, 70))


@settings(deadline=None)
@given(tilings(), sizes)
def test_tiles_lie_inside_cover_all_pixels_and_share_the_overlap(tiling, size):
    grid = tiling.grid(size)
    covered = np.zeros([max(length, tiling.side) for length in size], int)
    for tile in grid.tiles:
        assert 0 <= tile.top <= covered.shape[0] - tiling.side
        assert 0 <= tile.left <= covered.shape[1] - tiling.side
        covered[tile.top : tile.top + tiling.side, tile.left : tile.left + tiling.side] += 1
    assert covered.min() >= 1
    assert len(grid) == len(grid.tiles)
    for axis in (grid.rows, grid.columns):
        steps = np.diff(axis.starts)
        assert (steps <= tiling.side - tiling.overlap).all()
        # No fewer would do.
        assert (len(axis.starts) - 2) * (tiling.side - tiling.overlap) < axis.starts[-1] or len(axis.starts) == 1


@settings(deadline=None)
@given(tilings(), sizes)
def test_weights_add_up_to_one(tiling, size):
    grid = tiling.grid(size)
    stitcher = Stitcher(grid)
    for tile in grid.tiles:
        stitcher.add(tile, np.ones((tiling.side, tiling.side), np.float32))
    assert stitcher.stitched().shape == size
    assert np.allclose(stitcher.stitched(), 1.0, atol=1e-5)


@settings(deadline=None)
@given(tilings(), sizes, st.integers(0, 99))
def test_the_tiles_of_a_picture_give_the_picture(tiling, size, seed):
    image = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    grid = tiling.grid(size)
    stitcher = Stitcher(grid, channels=3)
    for tile, cut in zip(grid.tiles, grid.cut(image), strict=True):
        assert cut.shape == (tiling.side, tiling.side, 3)
        stitcher.add(tile, cut)
    assert np.array_equal(np.rint(stitcher.stitched()), image)


def test_the_grid_of_a_camera_image():
    grid = Tiling(384, 96).grid((3000, 4000))
    assert (len(grid.rows.starts), len(grid.columns.starts)) == (11, 14)
    assert grid.rows.starts[0] == 0
    assert grid.rows.starts[-1] == 3000 - 384
    assert Tiling(128, 32).grid((128, 128)).rows.starts == (0,)


def test_no_copy_is_made_of_what_is_cut():
    image = fabricate.picture(60, 80)
    assert all(np.shares_memory(image, tile) for tile in Tiling(32, 8).grid((60, 80)).cut(image))


def test_a_tile_has_no_weight_at_borders_that_others_cover():
    axis = Tiling(32, 16).grid((32, 96)).columns
    inner = axis.weights[1]
    assert inner[0] < 0.01 > inner[-1]
    assert axis.weights[0][0] == 1.0 == axis.weights[-1][-1]
    # Smooth: no step from one pixel to the next that a seam could show at.
    assert np.abs(np.diff(inner)).max() < 0.15


def test_a_short_image_is_continued_by_its_mirror_image():
    image = np.arange(6).reshape(2, 3)
    expected = [[0, 1, 2, 2, 1], [3, 4, 5, 5, 4], [3, 4, 5, 5, 4], [0, 1, 2, 2, 1], [0, 1, 2, 2, 1]]
    assert continued(image, 5).tolist() == expected
    assert continued(image, 2) is image
    assert continued(np.full((1, 1, 3), 7), 9).shape == (9, 9, 3)


def test_the_side_follows_from_the_smallest_defect():
    sizes = [(3000, 4000), (3000, 4100)]
    assert automatic_side(12, 128, sizes) == 12 * 128 // LEAST_DEFECT
    assert automatic_side(2, 128, sizes) == 128
    assert automatic_side(50, 128, [(500, 1260), (480, 1300)]) == 480


def test_the_overlap_follows_from_the_smallest_defect_and_the_side():
    assert automatic_overlap(256, 12) == 32
    assert automatic_overlap(256, 40) == 80
    assert automatic_overlap(256, 200) == 128


def test_the_highest_of_exponential_scores_does_not_grow_with_the_area():
    """Of n draws with an exponential tail of scale b the median of the highest grows by b log n."""
    tiling = Tiling(100, 0, area=6.0, growth=0.7)
    generator = np.random.default_rng(0)
    medians = []
    for size in [(200, 300), (600, 1000), (2000, 3000)]:
        count = len(tiling.grid(size))
        draws = generator.exponential(0.7, (4000, count)).max(axis=1) - tiling.excess(size)
        medians.append(float(np.median(draws)))
    assert medians[0] == pytest.approx(medians[1], abs=0.08)
    assert medians[1] == pytest.approx(medians[2], abs=0.08)
    assert tiling.excess((200, 300)) == 0.0
    assert Tiling(100, 0, growth=0.7).excess((900, 900)) == 0.0


def test_an_area_counts_no_overlap():
    assert Tiling(100, 0).area_of((300, 200)) == Tiling(100, 50).area_of((300, 200)) == 6.0
    assert Tiling(100, 0).area_of((10, 250)) == 2.5


@pytest.mark.parametrize("layout", [None, Layout(3, 7)])
def test_plain_values_and_back(layout):
    tiling = Tiling(256, 64, area=7.5, growth=0.25, layout=layout)
    assert Tiling.of(json.loads(json.dumps(tiling.as_dict()))) == tiling
    assert Tiling.of(None) is None
    before = {"side": 256, "overlap": 64, "area": 7.5, "growth": 0.25}
    assert Tiling.of(before) == Tiling(**before)
    assert math.isclose(tiling.excess((2560, 1920)), 0.25 * math.log(75 / 7.5))


def test_of_tiles_without_a_pixel_that_counts_there_are_none():
    mask = np.zeros((64, 96), bool)
    mask[:, :20] = mask[:20] = True
    grid = Tiling(32, 8).grid((64, 96), RegionOfInterest(mask, (0, 0, 0)))
    whole = Tiling(32, 8).grid((64, 96))
    assert 0 < len(grid) < len(whole)
    assert {tile for tile in whole.tiles if mask[tile.top : tile.top + 32, tile.left : tile.left + 32].any()} == set(
        grid.tiles
    )


def test_batches_are_the_tiles_in_their_order():
    image = fabricate.picture(60, 80)
    grid = Tiling(32, 8).grid((60, 80))
    batches = list(grid.batches(image, 4))
    assert [len(cuts) for _, cuts in batches] == [4, 4, 1]
    assert tuple(tile for tiles, _ in batches for tile in tiles) == grid.tiles
    assert all(
        np.array_equal(*pair) for pair in zip((c for _, cuts in batches for c in cuts), grid.cut(image), strict=True)
    )


def test_the_places_of_tiles_are_numbered_row_by_row():
    tiling = Tiling(32, 8, layout=Layout(2, 3))
    grid = tiling.grid((56, 80))
    assert tiling.places(grid, grid.tiles) == [0, 1, 2, 3, 4, 5]
    assert tiling.places(grid, [grid.tiles[4], grid.tiles[1]]) == [4, 1]
    assert replace(tiling, layout=None).places(grid, grid.tiles) == []
    # In a grid of another layout nobody knows them.
    other = tiling.grid((80, 56))
    assert tiling.places(other, other.tiles) == [6] * 6


def test_a_tile_that_is_left_out_leaves_its_number_out():
    mask = np.ones((56, 80), bool)
    mask[:, 24:56] = False
    tiling = Tiling(32, 8, layout=Layout(2, 3))
    grid = tiling.grid((56, 80), RegionOfInterest(mask, (0, 0, 0)))
    assert tiling.places(grid, grid.tiles) == [0, 2, 3, 5]
