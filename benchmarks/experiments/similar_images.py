"""Which code of an image finds the normal images that look most like it: IE-Net's mu, or pooled backbone features.

    PYTHONPATH=benchmarks python benchmarks/experiments/similar_images.py SUITE/CATEGORY ... \
        [--real-root DIR] [--sheets DIR]

Trains IE-Net alone, then takes for test images, normal and anomalous, the five nearest training images by each code.
Reports how alike they are, by the correlation of their pixels at 32 a side, beside training images taken at random and
the five that correlate best. `--sheets` writes a picture to look at. About five minutes a category on one core.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from measuring.experiments import add_run, experiment_parser, opened
from utad.data.loading import load_images
from utad.scoring.network import DetectorNetwork, build_network
from utad.training.fit import train_two_stage
from utad.types import Sample

NEAREST = 5
QUERIES = 40
SHOWN = 4
SIDE = 32

Codes = Callable[[Tensor], Tensor]


@torch.inference_mode()
def in_batches(code: Codes, images: Tensor) -> NDArray[np.float32]:
    """Codes `(N, D)` of images `(N, C, S, S)`."""
    found: NDArray[np.float32] = torch.cat([code(batch) for batch in images.split(8)]).numpy()
    return found


def pooled(network: DetectorNetwork, grid: int, first: int) -> Codes:
    """Backbone features from stage `first` on, averaged over the cells of a grid."""

    def code(images: Tensor) -> Tensor:
        stages = network.backbone(network.prepare({"image": images})["image"])[first:]
        return torch.cat([functional.adaptive_avg_pool2d(stage, grid).flatten(1) for stage in stages], dim=1)

    return code


def mu(network: DetectorNetwork) -> Codes:
    """The latent of IE-Net."""
    return lambda images: network.two_stage.ie_net(images).mu


def codes_of(network: DetectorNetwork) -> dict[str, Codes]:
    """What is compared."""
    return {
        "mu": mu(network),
        "features, 1 x 1": pooled(network, 1, 0),
        "features, 2 x 2": pooled(network, 2, 0),
        "late features, 1 x 1": pooled(network, 1, 2),
        "late features, 2 x 2": pooled(network, 2, 2),
    }


def nearest(normal: NDArray[np.float32], queries: NDArray[np.float32]) -> NDArray[np.intp]:
    """The rows of `normal` `(N, D)` nearest to each query `(Q, D)`, every dimension divided by its spread."""
    spread = normal.std(axis=0) + 1e-6
    differences = (queries[:, None] - normal[None]) / spread  # (Q, N, D)
    return np.argsort((differences**2).sum(axis=2), axis=1, kind="stable")[:, :NEAREST]


def reduced(images: Tensor) -> NDArray[np.float32]:
    """Images as vectors of mean 0 and length 1, so that a product is a correlation."""
    small = functional.interpolate(images.mean(dim=1, keepdim=True), (SIDE, SIDE), mode="bilinear", antialias=True)
    flat = small.flatten(1)
    centred = flat - flat.mean(dim=1, keepdim=True)
    found: NDArray[np.float32] = functional.normalize(centred, dim=1).numpy()
    return found


def chosen(samples: Sequence[Sample]) -> list[Sample]:
    """Evenly some of the test images."""
    return [samples[index * len(samples) // QUERIES] for index in range(min(QUERIES, len(samples)))]


def write_sheet(path: Path, queries: Tensor, normal: Tensor, found: Mapping[str, NDArray[np.intp]]) -> None:
    """Rows of a query and, code by code, its nearest normal images."""
    from matplotlib.figure import Figure

    rows = np.linspace(0, len(queries) - 1, SHOWN).astype(int)
    figure = Figure(figsize=(1.5 * (NEAREST + 1), 1.6 * SHOWN * len(found)), layout="constrained")
    axes = figure.subplots(SHOWN * len(found), NEAREST + 1)
    for line, (query, name) in enumerate((query, name) for query in rows for name in found):
        pictures = [queries[query], *(normal[index] for index in found[name][query])]
        for axis, picture in zip(axes[line], pictures, strict=True):
            axis.imshow(picture.mean(dim=0), cmap="gray", vmin=0, vmax=1)
            axis.set_xticks([])
            axis.set_yticks([])
        axes[line][0].set_ylabel(name, fontsize=7)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=70)


def main(argv: Sequence[str] | None = None) -> None:
    """Measures the categories, and adds them to the results."""
    parser = experiment_parser(__doc__, "benchmarks/results/similar_images.json")
    parser.add_argument("--sheets", type=Path, metavar="DIR")
    arguments = parser.parse_args(argv)
    for given in arguments.categories:
        category, config = opened(given, arguments, settings=("expert_training.steps=0",))
        images = load_images(category.train, size=config.image.size, channels=None)
        queries = load_images(chosen(category.test), size=config.image.size, channels=images.channels).images
        network = build_network(config, images.channels)
        train_two_stage(network.two_stage, images.images, config)
        network.eval()
        found = {
            name: nearest(in_batches(code, images.images), in_batches(code, queries))
            for name, code in codes_of(network).items()
        }
        alike = reduced(queries) @ reduced(images.images).T  # (Q, N)
        best = -np.sort(-alike, axis=1)[:, :NEAREST]
        result = {name: float(np.take_along_axis(alike, rows, axis=1).mean()) for name, rows in found.items()}
        result = {"random": float(alike.mean()), **result, "best": float(best.mean())}
        print(given, {name: round(value, 3) for name, value in result.items()}, flush=True)
        add_run(given, arguments, {"correlation": {name: round(value, 4) for name, value in result.items()}})
        if arguments.sheets is not None:
            write_sheet(arguments.sheets / f"{given.replace('/', '-')}.png", queries, images.images, found)


if __name__ == "__main__":
    main()
