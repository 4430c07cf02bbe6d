"""Whether parts that lie alike are better described by statistics of each tile's place than by those of all tiles.

    PYTHONPATH=benchmarks python benchmarks/experiments/tile_places.py SUITE/CATEGORY ... [--real-root DIR] \
        [--tile SIDE,OVERLAP] [--components NAME,...] [--set KEY=VALUE ...]

Of features of the image alone, without training and without weighted directions. `all tiles` is what the product does:
one mean for each position in a tile. `each place` has one for each position in each place of the grid, shrunk towards
the former as if that had been seen in 8 images, and distances are standardised at each place likewise; the covariance
is that of all tiles in both. Of each component the image AUROC of its highest value in the image, the recall above all
normal test images, and AUPRO of its map. Images whose grids differ have no places in common, and are refused. Takes
three minutes for the commutators on one core.
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
from utad.data.tiling import Stitcher, TileGrid, Tiling
from utad.evaluation.metrics import PixelAccumulator
from utad.models.backbones import build_backbone
from utad.models.two_stage import Features
from utad.scoring.components import COMPONENTS, feature_vectors
from utad.scoring.gaussian import PRIOR_IMAGES, GaussianDistance
from utad.scoring.illumination import illumination_step
from utad.scoring.perceptual import upsample
from utad.scoring.standardisation import Standardisation
from utad.types import Mask, Sample

_BATCH = 32

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


def maps_of(learnt: Tensor, tested: Tensor, places: int, statistics: str) -> Tensor:
    """Standardised maps of the test tiles, `(N, g, g)`.

    Args:
        learnt: vectors of normal tiles, `(M, C, g, g)`.
        tested: of test tiles, `(N, C, g, g)`.
        places: P; tiles number p, p + P, ... lie at the same one.
        statistics: one of `STATISTICS`.
    """
    groups = [slice(None)] if statistics == "all tiles" else [slice(place, None, places) for place in range(places)]
    centre = learnt.mean(dim=0)
    deviations, others = torch.empty_like(learnt), torch.empty_like(tested)
    for group in groups:
        count = len(learnt[group])
        mean = (count * learnt[group].mean(dim=0) + PRIOR_IMAGES * centre) / (count + PRIOR_IMAGES)
        deviations[group], others[group] = learnt[group] - mean, tested[group] - mean
    distance = GaussianDistance().fit(deviations)
    normal, found = (_distances(distance, values) for values in (deviations, others))
    for group in groups:
        standardisation = Standardisation((1.0,))
        standardisation.fit(normal[group])
        found[group] = standardisation.of_map(found[group])
    return found


def _distances(distance: GaussianDistance, vectors: Tensor) -> Tensor:
    return torch.cat([distance(batch) for batch in torch.split(vectors, _BATCH)])


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
            maps = maps_of(vectors, others, len(tested.grids[0]), statistics)
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
