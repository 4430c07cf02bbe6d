"""Whether parts that lie alike are better described by statistics of each tile's place than by those of all tiles.

    PYTHONPATH=benchmarks python benchmarks/experiments/tile_places.py SUITE/CATEGORY ... [--real-root DIR] \
        [--tile SIDE,OVERLAP] [--components NAME,...] [--set KEY=VALUE ...]

Of features of the image alone, without training and without weighted directions. `each place` is what the product does
with the components of a coarse grid where all images are cut into one grid of tiles: one mean for each position in each
place of it, shrunk towards that of all tiles, and distances that are standardised at each place. `all tiles` is what it
does otherwise. The statistics are those of all training tiles, without cross-fitting. Of each component the image AUROC
of its highest value in the image, the recall above all normal test images, and AUPRO of its map. Images whose grids
differ have no places in common, and are refused. Takes three minutes for the commutators on one core.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from measuring.experiments import ROUNDED, add_run, experiment_parser, opened, ranking
from utad.config import Config
from utad.data.reading import load_image, load_mask
from utad.data.tensors import to_tensor
from utad.data.tile_places import TilePlaces
from utad.data.tiling import Layout, Stitcher, TileGrid, Tiling
from utad.evaluation.metrics import PixelAccumulator
from utad.models.backbones import build_backbone
from utad.models.two_stage import Features
from utad.scoring.components import COMPONENTS, distances_of, feature_vectors
from utad.scoring.gaussian import GaussianDistance
from utad.scoring.illumination import illumination_step
from utad.scoring.perceptual import upsample
from utad.scoring.standardisation import Standardisation
from utad.types import Mask, Sample

STATISTICS = ("all tiles", "each place")


class Tiled(NamedTuple):
    """The vectors of the tiles of images, all with the same number of tiles, one image after the other.

    Attributes:
        vectors: by component, `(images * tiles, C, g, g)`.
        grids: of each image.
        masks: of each image, `(H, W)`.
        anomalous: bool `(images,)`.
    """

    vectors: dict[str, Tensor]
    grids: list[TileGrid]
    masks: list[Mask]
    anomalous: np.ndarray[Any, np.dtype[np.bool_]]


@torch.inference_mode()
def tiles_of(samples: Sequence[Sample], tiling: Tiling, components: Sequence[str], config: Config) -> Tiled:
    """Every tile of every image, as the components see it."""
    backbone, prepare = build_backbone(config.backbone), illumination_step(config.scoring)
    found: dict[str, list[Tensor]] = {name: [] for name in components}
    grids: list[TileGrid] = []
    masks: list[Mask] = []
    for sample in samples:
        image = load_image(sample)
        size = (image.shape[0], image.shape[1])
        grid, mask = tiling.grid(size), load_mask(sample, size)
        if grids and len(grid) != len(grids[0]):
            raise SystemExit(f"{sample.name} has {len(grid)} tiles and others {len(grids[0])}: no places in common")
        grids.append(grid)
        masks.append(np.zeros(size, bool) if mask is None else mask)
        tiles = torch.stack([to_tensor(tile, config.image.size, 3) for tile in grid.cut(image)])
        stages: list[Features] = [{"image": maps} for maps in backbone(prepare({"image": tiles})["image"])]
        for name in components:
            found[name].append(feature_vectors(COMPONENTS[name], stages))
    joined = {name: torch.cat(parts) for name, parts in found.items()}
    return Tiled(joined, grids, masks, np.array([bool(sample.anomalous) for sample in samples]))


def maps_of(learnt: Tensor, tested: Tensor, layout: Layout, statistics: str) -> Tensor:
    """Standardised maps of the test tiles, `(N, g, g)`.

    Args:
        learnt: vectors of normal tiles, `(M, C, g, g)`.
        tested: of test tiles, `(N, C, g, g)`.
        layout: of the grid of P places; tiles number p, p + P, ... lie at the same one.
        statistics: one of `STATISTICS`.
    """
    normal, others = (
        TilePlaces(layout, torch.arange(len(vectors)) % layout.count) if statistics == "each place" else None
        for vectors in (learnt, tested)
    )
    distance = GaussianDistance().fit(learnt, places=normal)
    standardisation = Standardisation((1.0,))
    elsewhere = distances_of(distance, learnt, normal.unknown) if normal is not None else None
    standardisation.fit(distances_of(distance, learnt, normal), places=normal, elsewhere=elsewhere)
    maps: Tensor = standardisation.of_map(
        distances_of(distance, tested, others), others.of if others is not None else None
    )
    return maps


def measured(maps: Tensor, tested: Tiled, size: int) -> dict[str, float]:
    """Image AUROC and recall of the highest value, and AUPRO."""
    places = len(tested.grids[0])
    scores = maps.flatten(1).amax(dim=1).view(-1, places).amax(dim=1).numpy()
    pixels = PixelAccumulator()
    for image, (grid, mask) in enumerate(zip(tested.grids, tested.masks, strict=True)):
        stitcher = Stitcher(grid)
        of_image = upsample(maps[image * places : (image + 1) * places], size)
        enlarged = torch.nn.functional.interpolate(of_image[:, None], size=grid.side, mode="bilinear")[:, 0]
        for tile, values in zip(grid.tiles, enlarged.numpy(), strict=True):
            stitcher.add(tile, values)
        pixels.update(stitcher.stitched(), mask, np.zeros_like(mask))
    found = pixels.compute()
    return {
        **ranking(tested.anomalous, scores),
        "aupro": round(found.aupro if found is not None else math.nan, ROUNDED),
    }


def compared(given: str, arguments: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Every component by either kind of statistics."""
    category, config = opened(given, arguments)
    side, overlap = (int(length) for length in arguments.tile.split(","))
    names = arguments.components.split(",")
    learnt, tested = (
        tiles_of(samples, Tiling(side, overlap), names, config) for samples in (category.train, category.test)
    )
    found = {}
    for name in names:
        vectors, others = learnt.vectors.pop(name), tested.vectors.pop(name)
        for statistics in STATISTICS:
            maps = maps_of(vectors, others, tested.grids[0].layout, statistics)
            found[f"{name}, {statistics}"] = measured(maps, tested, config.image.size)
            print(f"{name}, {statistics}", found[f"{name}, {statistics}"], flush=True)
    return found


def main(argv: Sequence[str] | None = None) -> None:
    """Measures what is named, and adds it to the results."""
    parser = experiment_parser(__doc__, "benchmarks/results/tile_places.json")
    parser.add_argument("--tile", default="256,64", help="side and overlap in pixels")
    parser.add_argument("--components", default="input,deep,input-near,input-finest")
    arguments = parser.parse_args(argv)
    for given in arguments.categories:
        add_run(given, arguments, {"tile": arguments.tile, "rows": compared(given, arguments)})


if __name__ == "__main__":
    main()
