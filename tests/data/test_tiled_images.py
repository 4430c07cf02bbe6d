from __future__ import annotations

import logging

import numpy as np
import pytest
import torch

from tests import fabricate
from utad.config import load_config
from utad.data.region_of_interest import RegionOfInterest
from utad.data.tensors import to_tensor
from utad.data.tile_places import LEAST_TILES
from utad.data.tiled_images import OVERVIEW, TiledImages, drawn_tiles, load_tiles, tiling_of
from utad.data.tiling import Tiling
from utad.errors import ConfigError, DatasetError, InputError
from utad.types import Sample


def settings(tile: str = "{side: 32, overlap: 8, training: 1000}", *more: str):
    return load_config(overrides=[f"image.tile={tile}", "image.size=32", *more]).image


def files(folder, count: int = 5, *, grey: bool = False) -> list[Sample]:
    paths = [fabricate.save(folder / f"{i}.png", fabricate.picture(60, 90, seed=i, grey=grey)) for i in range(count)]
    return [Sample(path.name, path, anomalous=False) for path in paths]


def batches_of(found: TiledImages) -> torch.Tensor:
    """All tiles of the second image."""
    return torch.cat([batch for batch, _ in found.batches(1, 4)])


def test_all_tiles_of_all_images_as_the_networks_see_them(tmp_path):
    samples = files(tmp_path, 3)
    found = load_tiles(samples, settings())
    grid = found.tiling.grid((60, 90))
    assert found.counts == (len(grid),) * 3
    assert found.image_of.tolist() == [image for image in range(3) for _ in range(len(grid))]
    expected = [to_tensor(tile, 32, 3) for seed in range(3) for tile in grid.cut(fabricate.picture(60, 90, seed=seed))]
    assert torch.equal(found.tiles.images, torch.stack(expected))
    assert found.tiles.names[:2] == ("0.png at 0,0", f"0.png at {grid.columns.starts[1]},0")
    assert found.names == ("0.png", "1.png", "2.png")
    assert found.overviews.shape == (3, 3, OVERVIEW, OVERVIEW)
    assert torch.equal(batches_of(found), found.tiles.images[found.image_of == 1])
    assert [len(batch) for batch, _ in found.batches(1, 4)] == [4] * (len(grid) // 4) + [len(grid) % 4] * bool(
        len(grid) % 4
    )
    assert found.tiling.area == pytest.approx(60 * 90 / 32**2)


def test_tiles_of_one_grid_bring_their_places(tmp_path):
    samples = files(tmp_path, LEAST_TILES)
    found = load_tiles(samples, settings())
    grid = found.tiling.grid((60, 90))
    assert found.places is not None
    assert found.places.layout == grid.layout
    assert found.places.of.tolist() == list(range(len(grid))) * LEAST_TILES
    assert found.tiling.layout is None  # until statistics know them
    assert [places.tolist() for _, places in found.batches(1, 8) if places is not None] == [
        list(range(start, min(start + 8, len(grid)))) for start in range(0, len(grid), 8)
    ]
    without = load_tiles(samples, settings("{side: 32, overlap: 8, training: 1000, places: false}"))
    assert without.places is None
    assert [places for _, places in without.batches(1, 8)] == [None] * -(-len(grid) // 8)


def test_what_concerns_all_tiles_of_an_image(tmp_path):
    found = load_tiles(files(tmp_path, 3), settings())
    of_images = torch.tensor([True, False, True])
    of_tiles = found.of_images(of_images)
    assert torch.equal(of_tiles, found.image_of != 1)
    assert torch.equal(found.by_image(of_tiles), of_images)


def test_tiles_of_a_region_of_interest(tmp_path):
    mask = np.zeros((60, 90), bool)
    mask[20:, 40:] = True
    region = RegionOfInterest(mask, (1, 2, 3))
    samples = files(tmp_path, 2)
    found = load_tiles(samples, settings(), region=region)
    grid = Tiling(32, 8).grid((40, 50))
    image = fabricate.picture(60, 90, seed=1)
    expected = [to_tensor(tile, 32, 3) for tile in grid.cut(image[20:, 40:])]
    assert found.counts == (len(grid),) * 2
    assert torch.equal(found.tiles.images[found.image_of == 1], torch.stack(expected))
    assert torch.equal(batches_of(found), torch.stack(expected))
    assert found.tiles.names[0] == "0.png at 40,20"
    assert torch.equal(found.overviews[1], to_tensor(region.filled(image), OVERVIEW, 3))


def test_a_region_smaller_than_a_quarter_of_a_tile_is_refused(tmp_path):
    mask = np.zeros((60, 90), bool)
    mask[:10, :20] = True
    with pytest.raises(ConfigError, match=r"leave 200 pixels of an image of 90 x 60, and at least a quarter of a tile"):
        load_tiles(files(tmp_path, 2), settings(), region=RegionOfInterest(mask, (1, 2, 3)))


def test_grey_images_have_one_channel_and_one_of_colour_makes_three(tmp_path):
    grey = files(tmp_path / "grey", 2, grey=True)
    assert load_tiles(grey, settings()).tiles.channels == 1
    mixed = load_tiles([*grey, *files(tmp_path / "colour", 1)], settings())
    assert mixed.tiles.images.shape[1] == 3
    assert mixed.overviews.shape[1] == 3
    assert next(mixed.batches(0, 2))[0].shape[1] == 3


def test_a_colour_image_counts_as_one_though_only_grey_tiles_were_drawn(tmp_path):
    picture = fabricate.picture(60, 90, grey=True)
    picture[-4:, -4:] = (255, 0, 0)
    samples = [Sample(str(index), fabricate.save(tmp_path / f"{index}.png", picture)) for index in range(4)]
    found = load_tiles(samples, settings("{side: 32, overlap: 0, training: 4}"))
    assert found.tiles.images.shape[:2] == (4, 3)


def test_damaged_files_are_named_or_skipped(tmp_path, caplog):
    samples = files(tmp_path, 4)
    samples[1].image.write_bytes(b"no picture")
    with pytest.raises(DatasetError, match=r"1 of 4 images cannot be read: .*1\.png"):
        load_tiles(samples, settings())
    with caplog.at_level(logging.WARNING, logger="utad"):
        found = load_tiles(samples, settings(), skip_bad=True)
    assert found.names == ("0.png", "2.png", "3.png")
    assert len(found.tiles.skipped) == 1
    assert found.image_of.max() == 2
    with pytest.raises(DatasetError, match="none of the 1 images can be read"):
        load_tiles(samples[1:2], settings(), skip_bad=True)
    with pytest.raises(DatasetError, match="got no images"):
        load_tiles([], settings())
    with pytest.raises(InputError, match="expected"):
        load_tiles([Sample("flat", np.zeros(3, np.uint8))], settings())


def test_nothing_but_the_tiles_stays_in_memory(tmp_path):
    found = load_tiles(files(tmp_path, 5), settings("{side: 32, overlap: 8, training: 12}"))
    assert len(found.tiles.images) <= 12
    assert found.image_of.bincount().tolist() == [2] * 5
    assert sum(found.counts) > 12


def test_tiles_are_drawn_evenly_over_images_and_places():
    drawn = drawn_tiles([154] * 300, 2000)
    assert {len(tiles) for tiles in drawn} == {6}
    assert all(len(set(tiles.tolist())) == 6 and tiles.max() < 154 for tiles in drawn)
    used = np.bincount(np.concatenate(drawn), minlength=154)
    assert used.min() >= 0.5 * used.mean()
    assert used.max() <= 1.5 * used.mean()


def test_images_with_few_tiles_give_all_and_others_the_rest():
    assert [len(tiles) for tiles in drawn_tiles([1, 50, 2, 50], 23)] == [1, 10, 2, 10]
    assert [tiles.tolist() for tiles in drawn_tiles([3, 0, 2], 5)] == [[0, 1, 2], [], [0, 1]]


def test_of_more_images_than_tiles_some_have_one():
    drawn = drawn_tiles([9, 0, *[9] * 98], 30)
    assert 28 <= sum(map(len, drawn)) <= 30
    assert len(drawn[1]) == 0
    assert all(any(len(tiles) for tiles in drawn[start : start + 10]) for start in range(0, 100, 10))


def test_a_side_by_itself_and_one_from_the_smallest_defect(caplog):
    assert tiling_of(settings("200"), []).overlap == 50
    automatic = settings("auto", "image.smallest_defect=12")
    tiling = tiling_of(automatic, [(400, 300)])
    assert (tiling.side, tiling.overlap) == (64, 24)
    with caplog.at_level(logging.WARNING, logger="utad"):
        tiling_of(settings("auto", "image.smallest_defect=2"), [(400, 300)])
    assert "a defect of 2 pixels is 2.0 pixels wide in tiles of 32 pixels" in caplog.text
    with pytest.raises(DatasetError, match=r"image\.tile=auto takes the side of tiles from them"):
        tiling_of(automatic, [])
