"""Any engine, for images that are cut into tiles: cuts, scores the tiles, puts their maps together. Without torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from utad.data.region_of_interest import RegionOfInterest
from utad.data.streaming import in_order
from utad.data.tiling import Stitcher, Tile, TileGrid, Tiling
from utad.predictor import Engine
from utad.types import EngineResult, FloatMap, Image, LazyArrays


class PlacedEngine(Engine, Protocol):
    """An engine that scores tiles whose places may have statistics of their own."""

    def run_placed(
        self, images: Sequence[Image], places: Sequence[int], *, concurrent: bool = False
    ) -> Sequence[EngineResult]:
        """As `run`, of tiles at places that `Tiling.places` gives; none where places have no statistics."""


class TiledEngine:
    """Scores images tile by tile, with bounded memory: one batch of tiles after the other.

    The score of an image is made of the highest share of each component, whichever tile has it, where the tiling goes
    by component, and is that of its highest tile otherwise; less what larger images have more of (`Tiling.excess`). Its
    code is that of the highest tile.

    Args:
        engine: that scores a tile as an image; one that is told its place where places have statistics of their own.
        tiling: of the model.
        region: of interest, in the images; None where all of them counts.
        slope: by how much the normalised score grows with the raw one.
    """

    max_batch = 1
    same_size = False
    streams = 1

    def __init__(self, engine: Engine, tiling: Tiling, region: RegionOfInterest | None = None, *, slope: float) -> None:
        self.engine = engine
        self.tiling = tiling
        self.region = region
        self._slope = slope

    def run(self, images: Sequence[Image], *, concurrent: bool = False) -> list[EngineResult]:
        """One result per image `(H, W, 3)`, uint8 or uint16 as far as the engine takes that.

        Raises:
            NonFiniteScoreError: if a score or map is not finite.
        """
        del concurrent
        return [self._run(image) for image in images]

    def _run(self, image: Image) -> EngineResult:
        size = (image.shape[0], image.shape[1])
        grid = self.tiling.grid(size, self.region)
        anomaly_map, scored, highest = Stitcher(grid), [], None
        shares: dict[str, float] = {}
        for tile, result in self._results(image, grid):
            anomaly_map.add(tile, result.anomaly_map)
            scored.append(_Scored(tile, result.pictures, result.component_maps))
            shares = {name: max(share, shares.get(name, share)) for name, share in result.shares.items()}
            # A score that is not a number stays the highest, to be reported.
            if highest is None or result.raw_score > highest.raw_score or math.isnan(result.raw_score):
                highest = result
        assert highest is not None
        if self.tiling.by_component and shares:
            rise = math.fsum(shares.values()) - highest.pred_score
            highest = replace(with_score_raised(highest, rise, slope=self._slope), shares=shares)
        whole = replace(
            highest,
            anomaly_map=grid.part.map_of(anomaly_map.stitched()),
            pictures=_stitched(grid, scored, lambda one: one.pictures, _picture),
            component_maps=_stitched(grid, scored, lambda one: one.component_maps, _map),
            inside=self.region.inside(size) if self.region is not None else None,
        )
        return with_score_raised(whole, -self._slope * self.tiling.excess(size), slope=self._slope)

    def _results(self, image: Image, grid: TileGrid) -> Iterator[tuple[Tile, EngineResult]]:
        size = self.engine.max_batch
        batches = grid.batches(image, size)

        def score(batch: tuple[Sequence[Tile], list[Image]], *, concurrent: bool) -> Sequence[EngineResult]:
            tiles, cut = batch
            places = self.tiling.places(grid, tiles)
            if not places:
                return self.engine.run(cut, concurrent=concurrent)
            return cast("PlacedEngine", self.engine).run_placed(cut, places, concurrent=concurrent)

        if self.engine.streams > 1 and len(grid) > (self.engine.streams - 1) * size:
            outcomes = in_order(partial(score, concurrent=True), batches, workers=self.engine.streams)
        else:
            outcomes = ((batch, score(batch, concurrent=False)) for batch in batches)
        for (tiles, _), results in outcomes:
            yield from zip(tiles, results, strict=True)


def with_score_raised(result: EngineResult, by: float, *, slope: float) -> EngineResult:
    """A result with another score, which raw score and shares follow.

    Args:
        result: what an engine computed.
        by: what is added to `pred_score`, below 0 to lower it; every share gets as much of it.
        slope: by how much `pred_score` grows with `raw_score`.
    """
    shares = {name: share + by / len(result.shares) for name, share in result.shares.items()}
    return replace(result, pred_score=result.pred_score + by, raw_score=result.raw_score + by / slope, shares=shares)


class _Scored(NamedTuple):
    """What is left of a tile's result until somebody looks at it; without the map, which is in the stitched one."""

    tile: Tile
    pictures: Mapping[str, NDArray[np.uint8]]
    component_maps: Mapping[str, FloatMap]


def _stitched(
    grid: TileGrid,
    scored: Sequence[_Scored],
    of: Callable[[_Scored], Mapping[str, NDArray[Any]]],
    stitch: Callable[[TileGrid, Iterator[tuple[Tile, NDArray[Any]]]], NDArray[Any]],
) -> LazyArrays:
    """The arrays by name, each stitched when it is first asked for."""

    def maker(name: str) -> Callable[[], NDArray[Any]]:
        return lambda: stitch(grid, ((one.tile, of(one)[name]) for one in scored))

    return LazyArrays({name: maker(name) for name in of(scored[0])})


def _map(grid: TileGrid, parts: Iterator[tuple[Tile, NDArray[Any]]]) -> FloatMap:
    stitcher = Stitcher(grid)
    for tile, values in parts:
        stitcher.add(tile, values)
    return grid.part.map_of(stitcher.stitched())


def _picture(grid: TileGrid, parts: Iterator[tuple[Tile, NDArray[Any]]]) -> NDArray[np.uint8]:
    stitcher = Stitcher(grid, channels=3)
    for tile, values in parts:
        stitcher.add(tile, values)
    return grid.part.picture_of(np.rint(stitcher.stitched()).clip(0, 255).astype(np.uint8))
