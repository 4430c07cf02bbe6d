from __future__ import annotations

import pytest
import torch

from utad.data.tile_places import LEAST_TILES, MOST_PLACES, TilePlaces, common_places
from utad.data.tiling import Layout, Tiling


def grid(height: int, width: int):
    return Tiling(32, 8).grid((height, width))


def places_of(*grids) -> TilePlaces | None:
    return common_places([one.layout for one in grids], [one.tiles for one in grids])


def test_tiles_of_images_of_one_grid_have_places():
    found = places_of(*[grid(56, 80)] * LEAST_TILES)
    assert found is not None
    assert found.layout == Layout(2, 3)
    assert found.of.tolist() == [0, 1, 2, 3, 4, 5] * LEAST_TILES
    assert found[torch.tensor([4, 1])].of.tolist() == [4, 1]
    assert found[torch.arange(6 * LEAST_TILES) < 2].of.tolist() == [0, 1]
    assert found.unknown.of.tolist() == [6] * 6 * LEAST_TILES


def test_sizes_may_differ_as_long_as_the_grid_does_not():
    assert places_of(*[grid(56, 80), grid(54, 76)] * LEAST_TILES) is not None
    assert places_of(*[grid(56, 80)] * LEAST_TILES, grid(56, 100)) is None
    # Six tiles each, three rows of two and two of three.
    assert places_of(*[grid(56, 80), grid(80, 56)] * LEAST_TILES) is None


def test_few_tiles_of_a_place_or_one_place_alone_have_no_statistics_of_their_own():
    assert places_of(*[grid(56, 80)] * (LEAST_TILES - 1)) is None
    assert places_of(*[grid(32, 32)] * 50) is None


def test_there_are_no_more_places_than_a_model_has_room_for():
    wide = grid(32, 24 * MOST_PLACES + 8)
    assert len(wide) == MOST_PLACES
    assert places_of(*[wide] * LEAST_TILES) is not None
    wider = grid(32, 24 * (MOST_PLACES + 1) + 8)
    assert places_of(*[wider] * LEAST_TILES) is None


@pytest.mark.parametrize(("images", "size"), [(200, (56, 104)), (200, (80, 80)), (100, (80, 104)), (300, (32, 56))])
def test_as_many_tiles_of_each_place_are_learnt_from(images, size):
    """An even choice of all tiles could leave out the same places of every image."""
    places = places_of(*[grid(*size)] * images)
    assert places is not None
    most = len(places.of) // 2
    chosen = places.evenly(most)
    assert len(chosen) <= most
    counts = torch.bincount(places.of[chosen])
    assert counts.tolist() == [most // places.count] * places.count
    assert chosen.tolist() == sorted(set(chosen.tolist()))
    assert len(set((chosen // places.count).tolist())) == images


def test_of_too_few_tiles_of_a_place_there_are_no_statistics():
    places = places_of(*[grid(56, 80)] * 40)
    assert places.evenly(6 * LEAST_TILES) is not None
    assert places.evenly(6 * LEAST_TILES - 1) is None
    assert len(places.evenly(1000)) == 240
