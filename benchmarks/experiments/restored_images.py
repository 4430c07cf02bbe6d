"""How much of a defect stays in the restored images, and how like they are to normal ones, by settings.

    PYTHONPATH=benchmarks python benchmarks/experiments/restored_images.py SUITE/CATEGORY ... \
        [--real-root DIR] [--set KEY=VALUE ...]

Trains IE-Net and Expert-Net alone and measures `measuring.restoration.restoration_quality` on the normal test images.
`--set expert_training.steps=0` trains IE-Net alone. docs/experiments/restored_images.md says what was chosen by it.
One to six minutes each on one core.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from measuring.experiments import add_run, experiment_parser, opened
from measuring.restoration import restoration_quality
from utad.config import Config
from utad.data.loading import load_images
from utad.data.subsets import held_out_block
from utad.scoring.network import build_network
from utad.training.fit import train_two_stage
from utad.types import Category


def restored(category: Category, config: Config) -> dict[str, Any]:
    """Seconds of both stages, and the figures of x_hat, m and m_hat."""
    image = config.image
    loaded = load_images(category.train, size=image.size, channels=None, max_pixels=image.max_pixels)
    network = build_network(config, loaded.channels)
    trained_on = ~held_out_block(len(loaded.images), config.calibration.held_out)
    start = time.perf_counter()
    train_two_stage(network.two_stage, loaded.images[trained_on], config)
    seconds = time.perf_counter() - start
    return {"training_s": round(seconds, 1), **restoration_quality(network, image, category)}


def main(argv: Sequence[str] | None = None) -> None:
    """Measures the categories, and adds them to the results."""
    arguments = experiment_parser(__doc__, "benchmarks/results/restored_images.json").parse_args(argv)
    for given in arguments.categories:
        found = restored(*opened(given, arguments))
        print(given, arguments.label, found, flush=True)
        add_run(given, arguments, found)


if __name__ == "__main__":
    main()
