"""Tiles of large images: where they lie, cutting them, and putting their maps together again. Without torch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from utad.data.region_of_interest import RegionOfInterest
from utad.data.tiled_part import TiledPart, tiled_part
from utad.types import Image

LEAST_DEFECT = 6
"""Pixels of the networks that a defect has to cover in width to be found: see docs/experiments/small_defects.md."""


@dataclass(frozen=True)
class Axis:
    """The tiles along one side of an image.

    Attributes:
        starts: first pixel of each of K tiles, ascending.
        weights: `(K, side)` float32, of the pixels of each; over all tiles that have a pixel they add up to 1.
    """

    starts: tuple[int, ...]
    weights: NDArray[np.float32] = field(repr=False)


@dataclass(frozen=True)
class Tile:
    """A tile of an image, or of the part of it that is cut.

    Attributes:
        top: its first row, there.
        left: its first column.
        row: its place in the grid, from the top.
        column: likewise from the left.
    """

    top: int
    left: int
    row: int
    column: int


@dataclass(frozen=True)
class Layout:
    """How many rows and columns a grid has.

    Attributes:
        rows: of tiles.
        columns: of tiles.
    """

    rows: int
    columns: int

    @property
    def count(self) -> int:
        """Places that it has, row by row; those of tiles that are left out among them."""
        return self.rows * self.columns

    def place_of(self, tile: Tile) -> int:
        """The number of a tile's place, from 0."""
        return tile.row * self.columns + tile.column


@dataclass(frozen=True)
class TileGrid:
    """The tiles of images of one size.

    What is shorter than a tile is continued by its mirror image, below or to the right: what is in it keeps the scale
    that was learnt. Of tiles without a pixel that counts there are none.

    Attributes:
        part: of the images, that is cut.
        side: of a tile, in pixels.
        rows: tiles from top to bottom.
        columns: tiles from left to right.
    """

    part: TiledPart
    side: int
    rows: Axis = field(repr=False)
    columns: Axis = field(repr=False)

    def __len__(self) -> int:
        return len(self.tiles)

    @cached_property
    def tiles(self) -> tuple[Tile, ...]:
        """All of them, row by row."""
        return tuple(
            Tile(top, left, row, column)
            for row, top in enumerate(self.rows.starts)
            for column, left in enumerate(self.columns.starts)
            if self.part.counts(top, left, self.side)
        )

    @property
    def layout(self) -> Layout:
        """Its rows and columns."""
        return Layout(len(self.rows.starts), len(self.columns.starts))

    def cut(self, image: Image, tiles: Sequence[Tile] | None = None) -> list[Image]:
        """The pixels of tiles.

        Args:
            image: `(H, W, 3)`, uint8 or uint16.
            tiles: of this grid; None for all of them.

        Returns:
            `(side, side, 3)` each, views of `image` as far as that is what they show.
        """
        chosen = self.tiles if tiles is None else tiles
        return [cut for _, cuts in self._batches(image, chosen, max(1, len(chosen))) for cut in cuts]

    def batches(self, image: Image, size: int) -> Iterator[tuple[Sequence[Tile], list[Image]]]:
        """All tiles, at most `size` at a time, with their pixels as `cut` gives them."""
        return self._batches(image, self.tiles, size)

    def _batches(self, image: Image, tiles: Sequence[Tile], size: int) -> Iterator[tuple[Sequence[Tile], list[Image]]]:
        whole, side = continued(self.part.taken_from(image), self.side), self.side
        for start in range(0, len(tiles), size):
            batch = tiles[start : start + size]
            yield batch, [whole[tile.top : tile.top + side, tile.left : tile.left + side] for tile in batch]


class Stitcher:
    """Puts what was computed of tiles together at the size of the image, without seams.

    Each pixel is the weighted mean of the tiles that have it. The weight of a tile falls smoothly to 0 towards those of
    its borders beyond which there are other tiles.

    Args:
        grid: of the image.
        channels: of the values; None for maps `(side, side)`.
    """

    def __init__(self, grid: TileGrid, channels: int | None = None) -> None:
        self._grid = grid
        height, width = (max(length, grid.side) for length in grid.part.shape)
        shape = (height, width) if channels is None else (height, width, channels)
        self._sum = np.zeros(shape, np.float32)

    def add(self, tile: Tile, values: NDArray[Any]) -> None:
        """Adds the values `(side, side)`, or `(side, side, channels)`, of a tile; each tile is added once."""
        side, grid = self._grid.side, self._grid
        weights = grid.rows.weights[tile.row][:, None] * grid.columns.weights[tile.column]  # (side, side)
        if values.ndim == 3:
            weights = weights[..., None]
        self._sum[tile.top : tile.top + side, tile.left : tile.left + side] += weights * values

    def stitched(self) -> NDArray[np.float32]:
        """The part, `(h, w)` or `(h, w, channels)` float32, after all tiles were added."""
        height, width = self._grid.part.shape
        return np.ascontiguousarray(self._sum[:height, :width])


@dataclass(frozen=True)
class Tiling:
    """How images are cut into tiles; it belongs to the model.

    Attributes:
        side: of a tile, in pixels of the input.
        overlap: pixels that neighbours share at least, at most half of the side.
        area: of the training images, in tiles without overlap; their median. 0 before training.
        growth: by how much the highest raw score of normal tiles grows where there are e times as many; 0 before that
            is known.
        by_component: whether an image has the highest of its tiles component by component, and not the score of one.
        layout: of the grid whose places have statistics of their own; None where all have the same.
    """

    side: int
    overlap: int
    area: float = 0.0
    growth: float = 0.0
    by_component: bool = False
    layout: Layout | None = None

    def grid(self, size: tuple[int, int], region: RegionOfInterest | None = None) -> TileGrid:
        """The tiles of images of size `(H, W)`, or of the box around a region of interest in them."""
        part = tiled_part(size, region)
        rows, columns = (_axis(max(length, self.side), self.side, self.overlap) for length in part.shape)
        return TileGrid(part, self.side, rows, columns)

    def area_of(self, size: tuple[int, int]) -> float:
        """The area of an image `(H, W)` in tiles without overlap, at least 1."""
        return math.prod(max(length, self.side) / self.side for length in size)

    def excess(self, size: tuple[int, int]) -> float:
        """What the highest raw score of a normal image `(H, W)` has more than one of the typical size, for its size.

        The highest of n values whose upper tail is exponential grows by `growth` times log n. The area is what counts,
        not the number of tiles: tiles that overlap more say the same more often. A region of interest has the same
        share of images of every size.
        """
        return self.growth * math.log(self.area_of(size) / self.area) if self.area > 0 else 0.0

    def places(self, grid: TileGrid, tiles: Sequence[Tile]) -> list[int]:
        """The places of tiles of an image, as a detector takes them: none where no place has statistics of its own.

        In a grid of another layout they are not known, which is told by the number after the last.
        """
        if self.layout is None:
            return []
        known = grid.layout == self.layout
        return [self.layout.place_of(tile) if known else self.layout.count for tile in tiles]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for a manifest; without a layout as before there were any."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def of(cls, values: Mapping[str, Any] | None) -> Tiling | None:
        """The inverse of `as_dict`; None where there is nothing."""
        if values is None:
            return None
        layout = values.get("layout")
        return cls(**{**values, "layout": Layout(**layout) if layout is not None else None})


def automatic_side(smallest_defect: int, size: int, sizes: Sequence[tuple[int, int]]) -> int:
    """The largest side of a tile that shows the smallest defect, at `LEAST_DEFECT` pixels of the networks.

    Args:
        smallest_defect: its width, in pixels of the images.
        size: S, the side that tiles are resized to, and the smallest of a tile: enlarging brings out nothing.
        sizes: `(H, W)` of what is cut; a tile is no larger than the shortest side of all.
    """
    return min(max(size, smallest_defect * size // LEAST_DEFECT), min(map(min, sizes)))


def automatic_overlap(side: int, smallest_defect: int) -> int:
    """What tiles share that are no wider than defects ask for, in pixels.

    A defect lies in one tile with half of its width around it at least; an eighth of a tile is what seams need.

    Args:
        side: of a tile.
        smallest_defect: the width of the smallest defect.
    """
    return min(side // 2, max(side // 8, 2 * smallest_defect))


def continued(image: Image, side: int) -> Image:
    """An image `(H, W, 3)` that is shorter than `side`, continued by its mirror image; as it is where it is not."""
    if min(image.shape[:2]) >= side:
        return image
    rows, columns = (_mirrored(max(length, side), length) for length in image.shape[:2])
    return image[rows[:, None], columns]


def _mirrored(count: int, length: int) -> NDArray[np.int64]:
    positions = np.arange(count, dtype=np.int64) % (2 * length)
    return np.minimum(positions, 2 * length - 1 - positions)


@lru_cache(maxsize=64)
def _axis(length: int, side: int, overlap: int) -> Axis:
    """The fewest tiles of which neighbours share `overlap` pixels, the same distance apart but for rounding."""
    count = 1 if length == side else -(-(length - overlap) // (side - overlap))
    starts = tuple(index * (length - side) // max(1, count - 1) for index in range(count))
    window = np.sin(np.pi * (np.arange(side) + 0.5) / side) ** 2
    total = np.zeros(length)
    for start in starts:
        total[start : start + side] += window
    weights = np.stack([window / total[start : start + side] for start in starts]).astype(np.float32)
    weights.flags.writeable = False
    return Axis(starts, weights)
