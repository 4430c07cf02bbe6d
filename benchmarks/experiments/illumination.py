"""False alarms on normal images under other illumination, beside the quality of the same detector.

    PYTHONPATH=benchmarks python benchmarks/experiments/illumination.py SUITE/CATEGORY ... \
        [--real-root DIR] [--set KEY=VALUE ...]

Trains without IE-Net and Expert-Net, which the default measurement does not use, and scores the normal test images
under every change of `CHANGES`, rounded to 8 bits and clipped as a camera does. docs/experiments/illumination.md has
what came out. One to four minutes each on two cores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from experiments.feature_impression import UNTRAINED_STAGES
from measuring.experiments import add_run, experiment_parser, opened
from utad import UTAD
from utad.data.reading import load_image, load_mask
from utad.evaluation.metrics import PixelAccumulator, image_metrics
from utad.interpret.figures import to_8_bit
from utad.types import Category, Image, Sample

Levels = NDArray[np.float64]

_FULL = 255.0


def gain(factor: float) -> Callable[[Levels], Levels]:
    """All levels times a factor."""
    return lambda levels: factor * levels


def offset(added: float) -> Callable[[Levels], Levels]:
    """All levels plus a number."""
    return lambda levels: levels + added


def gamma(exponent: float) -> Callable[[Levels], Levels]:
    """All levels to a power, black and white as they were."""
    return lambda levels: _FULL * (levels / _FULL) ** exponent


def gradient(strength: float, axis: int) -> Callable[[Levels], Levels]:
    """A gain from 1 - strength at one side of the image to 1 + strength at the other."""

    def changed(levels: Levels) -> Levels:
        shape = [1, 1, 1]
        shape[axis] = levels.shape[axis]
        return levels * np.linspace(1 - strength, 1 + strength, levels.shape[axis]).reshape(shape)

    return changed


CHANGES: Mapping[str, Callable[[Levels], Levels]] = {
    "none": gain(1.0),
    **{f"gain {factor}": gain(factor) for factor in (0.8, 0.9, 1.1, 1.2)},
    **{f"offset {added}": offset(added) for added in (-20, -10, 10, 20)},
    **{f"gamma {exponent}": gamma(exponent) for exponent in (0.8, 0.9, 1.1, 1.25)},
    **{
        f"gradient {strength}, axis {axis}": gradient(strength, axis)
        for strength in (0.05, 0.1, 0.2)
        for axis in (0, 1)
    },
}


def changed(image: Image, change: Callable[[Levels], Levels]) -> Image:
    """An image of 8 bits under other illumination."""
    levels = change(to_8_bit(image).astype(np.float64))
    return np.rint(levels.clip(0, _FULL)).astype(np.uint8)


def false_alarms(detector: UTAD, normal: Sequence[Sample]) -> dict[str, float]:
    """The share of the normal images that are called anomalous, by change."""
    images = [load_image(sample) for sample in normal]
    found = {}
    for name, change in CHANGES.items():
        predictions = detector.predict([changed(image, change) for image in images])
        found[name] = round(float(np.mean([prediction.pred_label for prediction in predictions])), 4)
    return found


def quality(detector: UTAD, samples: Sequence[Sample]) -> dict[str, float]:
    """Image AUROC and recall, and where there are masks AUPRO, on the images as they are."""
    labels = np.array([bool(sample.anomalous) for sample in samples])
    predictions = detector.predict(samples)
    scores = np.array([prediction.pred_score for prediction in predictions])
    image = image_metrics(scores, labels)
    assert image is not None
    found = {"image_auroc": image.auroc, "recall": float((scores > detector.threshold)[labels].mean())}
    if all(sample.mask is not None for sample in samples if sample.anomalous):
        accumulator = PixelAccumulator()
        for sample, prediction in zip(samples, predictions, strict=True):
            mask = load_mask(sample, prediction.anomaly_map.shape)
            assert mask is not None
            accumulator.update(prediction.anomaly_map, mask, mask)
        pixel = accumulator.compute()
        found |= {"aupro": pixel.aupro, "pixel_auroc": pixel.auroc} if pixel is not None else {}
    return {name: round(float(value), 4) for name, value in found.items()}


def measured(category: Category, detector: UTAD) -> dict[str, dict[str, float]]:
    """Both for a fitted detector."""
    samples = [sample for sample in category.test if sample.anomalous is not None]
    normal = [sample for sample in samples if not sample.anomalous]
    return {"quality": quality(detector, samples), "false_alarms": false_alarms(detector, normal)}


def main(argv: Sequence[str] | None = None) -> None:
    """Measures the categories, and adds them to the results."""
    arguments = experiment_parser(__doc__, "benchmarks/results/illumination.json").parse_args(argv)
    for given in arguments.categories:
        category, config = opened(given, arguments, settings=UNTRAINED_STAGES)
        found = measured(category, UTAD(config=config).fit(category))
        print(given, arguments.label, found["quality"])
        for name, rate in found["false_alarms"].items():
            print(f"  {name:22}", rate, flush=True)
        add_run(given, arguments, found)


if __name__ == "__main__":
    main()
