"""What alignment is worth where parts lie askew: the same images straight, askew, and askew but aligned.

    PYTHONPATH=benchmarks python benchmarks/experiments/alignment.py SUITE/CATEGORY ... \
        [--real-root DIR] [--angle DEGREES] [--shift PART] [--set KEY=VALUE ...]

Every image, of the training and of the test, is turned and shifted at random, its mask with it; beyond its edges it has
their values. Trains the default detector without IE-Net and Expert-Net, which do not enter its score, three times:
about six minutes each on one core.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from measuring.experiments import add_run, experiment_parser, opened
from utad.config import Config, load_config
from utad.data.motion import Matrix, Registration, about_the_middle, composed, in_parts
from utad.data.reading import load_image, load_mask
from utad.detector import UTAD
from utad.errors import checked
from utad.evaluation.evaluate import evaluate_method, labelled
from utad.types import Category, Sample

UNTRAINED_STAGES = ("ie_training.steps=0", "expert_training.steps=0")


def motion(size: tuple[int, int], angle: float, shift: float, rng: np.random.Generator) -> Matrix:
    """A random motion of an image `(H, W)`: up to `angle` degrees about its middle, and up to a part of each side."""
    height, width = size
    turned = about_the_middle(math.radians(rng.uniform(-angle, angle)), 1.0, size)
    right, down = rng.uniform(-shift, shift, 2) * [width, height]
    return in_parts(composed(np.array([[1.0, 0.0, right], [0.0, 1.0, down]]), turned), size)


def askew(sample: Sample, angle: float, shift: float, seed: int) -> Sample:
    """The sample turned and shifted, with its mask."""
    image = load_image(sample)
    size = (image.shape[0], image.shape[1])
    rng = np.random.default_rng(seed)
    moved = Registration(motion(size, angle, shift, rng), 1.0, succeeded=True)
    mask = load_mask(sample, size) if sample.anomalous else None
    if mask is not None:
        mask = moved.brought_back(mask.astype(np.float32)) > 0.5
    return replace(sample, image=moved.back().aligned(image), mask=mask)


def displaced(category: Category, angle: float, shift: float, seed: int) -> Category:
    """The category with every image askew, each in its own way."""
    train = [askew(sample, angle, shift, seed * 100_000 + index) for index, sample in enumerate(category.train)]
    test = [askew(sample, angle, shift, seed * 100_000 + 50_000 + index) for index, sample in enumerate(category.test)]
    return replace(category, train=train, test=test)


def measured(category: Category, config: Config) -> dict[str, Any]:
    """Metrics of a detector that was trained on the category, and test images that could not be registered."""
    detector = UTAD(config=config).fit(category, skip_bad=True)
    evaluation = evaluate_method(detector, category)
    assert evaluation.image is not None
    outcomes = [checked(outcome) for _, outcome in detector.predict_samples(labelled(category))]
    return {
        "image_auroc": round(evaluation.image.auroc, 4),
        "aupro": round(evaluation.pixel.aupro, 4) if evaluation.pixel is not None else None,
        "false_alarms": evaluation.false_positive_rate,
        "recall": evaluation.recall,
        "not_registered": sum(outcome.aligned is False for outcome in outcomes),
        "n_images": len(outcomes),
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Measures the categories, and adds them to the results."""
    parser = experiment_parser(__doc__, "benchmarks/results/alignment.json")
    parser.add_argument("--angle", type=float, default=6.0, help="largest angle, in degrees")
    parser.add_argument("--shift", type=float, default=0.05, help="largest shift, as a part of the side")
    arguments = parser.parse_args(argv)
    for given in arguments.categories:
        category, config = opened(given, arguments, settings=UNTRAINED_STAGES)
        moved = displaced(category, arguments.angle, arguments.shift, arguments.seed)
        aligning = load_config(
            overrides=[*UNTRAINED_STAGES, *arguments.settings, "image.align=similarity"], seed=arguments.seed
        )
        rows = {
            "straight": (category, config),
            "askew": (moved, config),
            "askew, aligned": (moved, aligning),
        }
        found = {}
        for name, (data, settings) in rows.items():
            found[name] = measured(data, settings)
            print(given, name, found[name], flush=True)
        add_run(given, arguments, {"angle": arguments.angle, "shift": arguments.shift, "rows": found})


if __name__ == "__main__":
    main()
