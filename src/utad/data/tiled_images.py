"""Tiles of the images of a data set: so many of them in memory, and all those of an image when they are needed."""

from __future__ import annotations

import logging
import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from utad.config import ImageConfig
from utad.data.alignment import Alignment, aligned
from utad.data.conversion import is_grey
from utad.data.loading import LoadedImages, joined, refuse_damaged
from utad.data.reading import load_image, read_size
from utad.data.region_of_interest import RegionOfInterest
from utad.data.streaming import in_order
from utad.data.tensors import to_tensor
from utad.data.tile_places import TilePlaces, common_places
from utad.data.tiled_part import tiled_part
from utad.data.tiling import LEAST_DEFECT, Tile, TileGrid, Tiling, automatic_overlap, automatic_side
from utad.errors import ConfigError, DatasetError, ImageReadError
from utad.progress import tracked
from utad.types import Image, Sample

_log = logging.getLogger(__name__)

OVERVIEW = 96
"""Side of the images that are kept as a whole, to know copies and colours by."""

_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True)
class TiledImages:
    """The images of a data set, of which tiles are in memory.

    Attributes:
        tiling: how they are cut.
        tiles: M of them, the tiles of an image one after the other; `names` says which, `skipped` is of images.
        image_of: which of the N images each is of, `(M,)` int64.
        samples: of the N images, in their order.
        counts: how many tiles each of the N images has.
        sizes: theirs, `(H, W)`.
        overviews: the N images as a whole, `(N, C, 96, 96)` float32 in [0, 1].
        max_pixels: as for `read_image`.
        most_scored: tiles of whole images that the threshold is set on.
        alignment: that the images are brought to before they are cut; None where they stay as they lie.
        region: of interest in them; None where all of them counts.
        places: of the tiles, where those of one place are to have statistics of their own; None where they are not.
    """

    tiling: Tiling
    tiles: LoadedImages = field(repr=False)
    image_of: Tensor = field(repr=False)
    samples: tuple[Sample, ...] = field(repr=False)
    counts: tuple[int, ...] = field(repr=False)
    sizes: tuple[tuple[int, int], ...] = field(repr=False)
    overviews: Tensor = field(repr=False)
    max_pixels: int
    most_scored: int
    alignment: Alignment | None = None
    region: RegionOfInterest | None = None
    places: TilePlaces | None = field(default=None, repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the N images."""
        return tuple(sample.name for sample in self.samples)

    def by_image(self, of_tiles: Tensor) -> Tensor:
        """What is true of all tiles of an image or of none, bool `(M,)`, for each image `(N,)`; false without tiles."""
        found = torch.zeros(len(self.samples), dtype=torch.bool)
        found[self.image_of[of_tiles]] = True
        return found

    def of_images(self, values: Tensor) -> Tensor:
        """A value for each image `(N,)` to one for each tile `(M,)`."""
        return values[self.image_of]

    def batches(self, index: int, size: int) -> Iterator[tuple[Tensor, Tensor | None]]:
        """All tiles of one image, read anew, in batches of at most `size` as the networks see them, and their places.

        Raises:
            ImageReadError: if the file cannot be read any more.
        """
        sample = self.samples[index]
        image = aligned(sample, load_image(sample, max_pixels=self.max_pixels), self.alignment)
        grid, side = self.tiling.grid((image.shape[0], image.shape[1]), self.region), int(self.tiles.images.shape[-1])
        tiling = replace(self.tiling, layout=self.places.layout if self.places is not None else None)
        for tiles, cut in grid.batches(image, size):
            places = torch.tensor(tiling.places(grid, tiles)) if self.places is not None else None
            yield torch.stack([to_tensor(tile, side, self.tiles.channels) for tile in cut]), places


def load_tiles(
    samples: Sequence[Sample],
    settings: ImageConfig,
    *,
    alignment: Alignment | None = None,
    region: RegionOfInterest | None = None,
    skip_bad: bool = False,
    progress: bool = False,
) -> TiledImages:
    """Reads the images one after the other and keeps tiles of them, evenly of all images and places.

    Args:
        samples: what to read; the order is kept.
        settings: with `tile`.
        alignment: as for `load_images`.
        region: of interest in the images; None where all of them counts.
        skip_bad: go on without the files that cannot be read, instead of stopping.
        progress: shows a progress bar, instead of lines in the log.

    Raises:
        ConfigError: if the region is smaller than a quarter of a tile.
        DatasetError: files are damaged (all of them are named), or nothing is left.
        InputError: a sample holds pixels that are not an image.
    """
    if not samples:
        raise DatasetError("got no images to load, expected at least one")
    sizes = [_size_of(sample) for sample in samples]
    known = [size for size in sizes if size is not None]
    tiling = tiling_of(settings, [tiled_part(size, region).shape for size in known])
    if region is not None and known:
        _check_region(region, tiling.side, set(known))
    assert settings.tile is not None
    counts = [len(tiling.grid(size, region)) if size is not None else 0 for size in sizes]
    drawn = drawn_tiles(counts, settings.tile.training)
    channels = None if settings.channels == "auto" else settings.channels

    def read(item: tuple[Sample, NDArray[np.int64]]) -> _Cut | ImageReadError:
        sample, chosen = item
        try:
            image = aligned(sample, load_image(sample, max_pixels=settings.max_pixels), alignment)
        except ImageReadError as error:
            return error
        return _cut(image, tiling, region, chosen.tolist(), settings.size, channels)

    found: list[tuple[Sample, _Cut]] = []
    bad: list[ImageReadError] = []
    outcomes = in_order(read, zip(samples, drawn, strict=True))
    for (sample, _), result in tracked(outcomes, len(samples), "reading", bar=progress):
        if isinstance(result, ImageReadError):
            bad.append(result)
        else:
            found.append((sample, result))
    refuse_damaged(bad, total=len(samples), skip_bad=skip_bad)
    counts = [len(tiling.grid(cut.size, region)) for _, cut in found]
    return replace(_gathered(found, counts, tiling, tuple(bad), settings), alignment=alignment, region=region)


@dataclass
class _Cut:
    size: tuple[int, int]
    grid: TileGrid
    tiles: list[Tile]
    tensors: list[Tensor]
    overview: Tensor

    def corners(self) -> list[tuple[int, int]]:
        """Column and row of the first pixel of each tile in the image."""
        top, left = self.grid.part.origin
        return [(left + tile.left, top + tile.top) for tile in self.tiles]


def _cut(
    image: Image,
    tiling: Tiling,
    region: RegionOfInterest | None,
    chosen: Sequence[int],
    side: int,
    channels: int | None,
) -> _Cut:
    size = (image.shape[0], image.shape[1])
    grid = tiling.grid(size, region)
    tiles = [grid.tiles[index] for index in chosen if index < len(grid)]
    whole = image if region is None else region.filled(image)
    seen = channels or (1 if is_grey(whole) else 3)
    tensors = [to_tensor(tile, side, seen) for tile in grid.cut(image, tiles)]
    return _Cut(size, grid, tiles, tensors, to_tensor(whole, OVERVIEW, seen))


def _gathered(
    found: Sequence[tuple[Sample, _Cut]],
    counts: Sequence[int],
    tiling: Tiling,
    skipped: tuple[ImageReadError, ...],
    settings: ImageConfig,
) -> TiledImages:
    assert settings.tile is not None
    sizes = [cut.size for _, cut in found]
    names = tuple(f"{sample.name} at {left},{top}" for sample, cut in found for left, top in cut.corners())
    image_of = torch.tensor([index for index, (_, cut) in enumerate(found) for _ in cut.tiles], dtype=torch.long)
    overviews = joined([cut.overview for _, cut in found])
    # All grey or none: a colour image of which only grey tiles were drawn is one of colour still.
    tensors = [tensor.expand(overviews.shape[1], -1, -1) for _, cut in found for tensor in cut.tensors]
    for _, cut in found:
        cut.tensors.clear()
    places = common_places([cut.grid.layout for _, cut in found], [cut.tiles for _, cut in found])
    return TiledImages(
        tiling=replace(tiling, area=median(map(tiling.area_of, sizes))),
        tiles=LoadedImages(joined(tensors), names, skipped, channels=overviews.shape[1]),
        image_of=image_of,
        samples=tuple(sample for sample, _ in found),
        counts=tuple(counts),
        sizes=tuple(sizes),
        overviews=overviews,
        max_pixels=settings.max_pixels,
        most_scored=settings.tile.threshold,
        places=places if settings.tile.places else None,
    )


def tiling_of(settings: ImageConfig, sizes: Sequence[tuple[int, int]]) -> Tiling:
    """The tiles that the config names, or those that suit images, or parts of them, of these sizes `(H, W)`.

    Raises:
        DatasetError: if there are no images.
    """
    tile = settings.tile
    assert tile is not None
    if tile.side != "auto":
        return Tiling(tile.side, tile.side // 4 if tile.overlap is None else tile.overlap)
    if not sizes:
        raise DatasetError("none of the images can be read, and image.tile=auto takes the side of tiles from them")
    assert settings.smallest_defect is not None
    side = automatic_side(settings.smallest_defect, settings.size, sizes)
    width = settings.smallest_defect * settings.size / side
    if width < LEAST_DEFECT:
        _log.warning(
            "a defect of %d pixels is %.1f pixels wide in tiles of %d pixels, of which the networks see %d: such a "
            "narrow one may be missed",
            *(settings.smallest_defect, width, side, settings.size),
        )
    overlap = automatic_overlap(side, settings.smallest_defect) if tile.overlap is None else tile.overlap
    return Tiling(side, min(overlap, side // 2))


def drawn_tiles(counts: Sequence[int], limit: int) -> list[NDArray[np.int64]]:
    """Which tiles of each image are learnt from, ascending: all of them, or about `limit`, evenly.

    Args:
        counts: tiles of each image.
        limit: of all together.

    Returns:
        Indices below each count. Images have as many as others as far as they have them; the places differ from one to
        the next, so that all places have their turn. Of more images than the limit some have none.
    """
    if sum(counts) <= limit:
        return [np.arange(count, dtype=np.int64) for count in counts]
    quota = bisect_right(range(limit + 1), limit, key=lambda most: sum(min(count, most) for count in counts)) - 1
    every = sum(count > 0 for count in counts) / limit  # above 1 where the quota is 0
    drawn, number = [], 0
    for count in counts:
        wanted = min(count, quota) if quota else int(count > 0 and number % every < 1.0)
        offset = number * _GOLDEN % 1.0
        drawn.append(np.sort(((np.arange(wanted) / max(1, wanted) + offset) % 1.0 * count).astype(np.int64)))
        number += count > 0
    return drawn


def _check_region(region: RegionOfInterest, side: int, sizes: Iterable[tuple[int, int]]) -> None:
    """Refuses a region so small that tiles would mostly show its mirror images."""
    size = min(sizes, key=lambda size: np.count_nonzero(region.inside(size)))
    pixels = np.count_nonzero(region.inside(size))
    if pixels < side**2 // 4:
        raise ConfigError(
            f"image.roi and image.ignore leave {pixels} pixels of an image of {size[1]} x {size[0]}, and at least a "
            f"quarter of a tile of {side} x {side} is needed: take a larger region, or smaller tiles (image.tile)"
        )


def typical_count(images: TiledImages) -> float:
    """Tiles of an image, the median."""
    return float(median(images.counts))


def _size_of(sample: Sample) -> tuple[int, int] | None:
    """The size `(H, W)` of an image; None where it cannot be read, which is told when the others are read."""
    if not isinstance(sample.image, Path):
        return (sample.image.shape[0], sample.image.shape[1]) if sample.image.ndim in (2, 3) else None
    try:
        return read_size(sample.image)
    except ImageReadError:
        return None
