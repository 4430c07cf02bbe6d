"""What each component of the measurement sees of small defects on tiles, by the highest value of its map.

    PYTHONPATH=benchmarks python benchmarks/experiments/small_defects.py fabricated/HEIGHTxWIDTH SUITE/CATEGORY ... \
        [--real-root DIR] [--tile SIDE] [--components NAME,...] [--set KEY=VALUE ...]

Nothing is trained: the components are those of the image's own features. Fabricated images are those of `tiles.py`, 24
to learn from and 80 to test, half of them with a defect of 12 pixels. Of each component, and of sets of them, the image
AUROC of the highest value in the image and the recall above all normal test images; for sets the values are put on one
scale by the normal test images, and their mean or maximum is taken. Takes a minute or two for fabricated images of
1,000 x 1,000 pixels, and four for the commutators.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from measuring.camera import image
from measuring.experiments import add_run, experiment_parser, opened, ranking
from utad.config import load_config
from utad.detector import UTAD
from utad.types import Category, Sample

TRAINING = 24
TESTED = 80
DEFECT = 12

UNTRAINED = ("ie_training.steps=0", "expert_training.steps=0", "feature_training.steps=0")
SETS = (("input", "deep"), ("input", "deep", "input-near"), ("input", "deep", "input-finest"))
"""Sets of components that are fused."""


def fabricated(size: tuple[int, int]) -> Category:
    """Normal images to learn from, and test images every second of which has a defect."""

    def sample(seed: int, defect: int) -> Sample:
        pixels = np.repeat(image(*size, seed, defect)[..., None], 3, axis=2)
        return Sample(f"{seed}", pixels, anomalous=defect > 0)

    tested = [sample(5_000 + index, DEFECT * (index % 2)) for index in range(TESTED)]
    return Category("fabricated", [sample(seed, 0) for seed in range(TRAINING)], tested)


def peaks_of(category: Category, settings: Sequence[str]) -> tuple[NDArray[np.bool_], dict[str, NDArray[np.float64]]]:
    """Which test images are anomalous, and by component the highest value in each; `score` is what ranks them."""
    detector = UTAD(config=load_config("fast", overrides=settings)).fit(category, graph=False)
    anomalous, found = [], dict[str, list[float]]()
    for sample in category.test:
        prediction = detector.predict(sample)
        anomalous.append(bool(sample.anomalous))
        values = {name: float(values.max()) for name, values in prediction.component_maps.items()}
        for name, value in {**values, "score": prediction.pred_score}.items():
            found.setdefault(name, []).append(value)
    return np.array(anomalous), {name: np.array(values) for name, values in found.items()}


def fused(anomalous: NDArray[np.bool_], peaks: Mapping[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    """Sets of components, on the scale on which the normal test images have median 0 and upper spread 1."""
    found = {}
    for names in SETS:
        if not set(names) <= set(peaks):
            continue
        scaled = []
        for name in names:
            middle, upper = np.quantile(peaks[name][~anomalous], (0.5, 0.84))
            scaled.append((peaks[name] - middle) / max(upper - middle, 1e-9))
        found[f"mean of {', '.join(names)}"] = np.mean(scaled, axis=0)
        found[f"maximum of {', '.join(names)}"] = np.max(scaled, axis=0)
    return found


def measured(given: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Image AUROC, and recall above all normal test images, of every component and set."""
    tile = (f"image.tile={arguments.tile}",) if arguments.tile else ()
    settings = (*UNTRAINED, *tile, f"scoring.components=[{arguments.components}]", *arguments.settings)
    if given.startswith("fabricated/"):
        height, width = (int(length) for length in given.split("/")[1].split("x"))
        category = fabricated((height, width))
    else:
        category, _ = opened(given, arguments)
    anomalous, peaks = peaks_of(category, settings)
    found = {**peaks, **fused(anomalous, peaks)}
    return {"tile": arguments.tile, "rows": {name: ranking(anomalous, values) for name, values in found.items()}}


def main(argv: Sequence[str] | None = None) -> None:
    """Measures what is named, and adds it to the results."""
    parser = experiment_parser(__doc__, "benchmarks/results/small_defects.json")
    parser.add_argument("--tile", default="256", help="value of image.tile; empty for none")
    parser.add_argument("--components", default="input,deep,input-near,input-detail,input-finest")
    arguments = parser.parse_args(argv)
    for given in arguments.categories:
        found = measured(given, arguments)
        print(given, found, flush=True)
        add_run(given, arguments, found)


if __name__ == "__main__":
    main()
