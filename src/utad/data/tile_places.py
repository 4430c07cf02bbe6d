"""The place of each tile in the grid of its image, where all images have the same grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from utad.data.subsets import evenly
from utad.data.tiling import Layout, Tile

MOST_PLACES = 64
"""Places that get statistics of their own at most: each needs a mean of every position of a tile, in every model."""

LEAST_TILES = 16
"""Tiles of every place that are learnt from; of fewer its statistics would say little."""


@dataclass(frozen=True)
class TilePlaces:
    """Where M tiles lie.

    Attributes:
        layout: of the grid that all images have.
        of: the place of each tile, `(M,)` int64; the number of places where it is not known.
    """

    layout: Layout
    of: Tensor

    def __getitem__(self, chosen: Tensor) -> TilePlaces:
        """Those of some of the tiles, by indices or a bool `(M,)`."""
        return TilePlaces(self.layout, self.of[chosen.to(self.of.device)])

    @property
    def count(self) -> int:
        """How many places there are, P."""
        return self.layout.count

    def evenly(self, most: int) -> Tensor | None:
        """Which tiles are learnt from, if at most so many may be: as many of each place, `(K,)` int64, ascending.

        None where they would be fewer than `LEAST_TILES` of some place; those that no tile has are none.
        """
        of_places = [(self.of == place).nonzero().flatten() for place in sorted(set(self.of.tolist()))]
        quota = len(self.of) if len(self.of) <= most else most // len(of_places)
        if min(quota, *map(len, of_places)) < LEAST_TILES:
            return None
        # Shifted from place to place: all images have their turn.
        chosen = [tiles[(evenly(len(tiles), quota) + shift) % len(tiles)] for shift, tiles in enumerate(of_places)]
        return torch.cat(chosen).sort().values

    @property
    def unknown(self) -> TilePlaces:
        """The same tiles, as if nobody knew where they lie."""
        return TilePlaces(self.layout, torch.full_like(self.of, self.count))


def common_places(layouts: Sequence[Layout], tiles: Sequence[Sequence[Tile]]) -> TilePlaces | None:
    """The places of the tiles of images; None where their statistics would say little, or need too much room.

    Args:
        layouts: of the grid of each of N images.
        tiles: of each of them that are learnt from.
    """
    layout = layouts[0]
    if len(set(layouts)) > 1 or not 1 < layout.count <= MOST_PLACES:
        return None
    places = TilePlaces(layout, torch.tensor([layout.place_of(tile) for of_image in tiles for tile in of_image]))
    return places if places.evenly(len(places.of)) is not None else None
