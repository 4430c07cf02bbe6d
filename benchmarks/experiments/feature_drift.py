"""Whether drift of features is told of other light, blur and noise, and not of other normal images.

    PYTHONPATH=benchmarks python benchmarks/experiments/feature_drift.py SUITE/CATEGORY ... [--real-root DIR]

Takes the normal images that are not trained on, as they are and changed, for the recent images of a server, and those
of the training for the ones that a model keeps. The backbone is not trained, so that no training is needed. A category
has to have 50 normal images of either kind. One to five minutes each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageFilter

from experiments.illumination import gain, gamma, gradient, offset
from measuring.experiments import add_run, experiment_parser, opened
from utad.data.reading import load_image
from utad.data.tensors import to_tensor
from utad.interpret.figures import to_8_bit
from utad.scoring.network import DetectorNetwork, build_network
from utad.serving.feature_drift import feature_drift_between
from utad.types import Sample, feature_means_of

Change = Callable[[NDArray[np.uint8], np.random.Generator], NDArray[np.uint8]]

RECENT = 500
"""Images that a server looks back on."""


def light(change: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Change:
    """A change of the levels, rounded to 8 bits and clipped as a camera does."""
    return lambda image, _: np.clip(np.rint(change(image.astype(np.float64))), 0, 255).astype(np.uint8)


def blurred(part: float) -> Change:
    """Out of focus by a Gaussian, in parts of the longer side."""

    def changed(image: NDArray[np.uint8], _: np.random.Generator) -> NDArray[np.uint8]:
        radius = part * max(image.shape[:2])
        return np.asarray(PillowImage.fromarray(image).filter(ImageFilter.GaussianBlur(radius)))

    return changed


def noisy(deviation: float) -> Change:
    """With Gaussian noise of a deviation in levels."""

    def changed(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
        return np.clip(np.rint(image + rng.normal(0, deviation, image.shape)), 0, 255).astype(np.uint8)

    return changed


CHANGES: Mapping[str, Change] = {
    "none": light(gain(1.0)),
    "gain 0.95": light(gain(0.95)),
    "gain 0.8": light(gain(0.8)),
    "offset 10": light(offset(10)),
    "gamma 1.1": light(gamma(1.1)),
    "gradient 0.1": light(gradient(0.1, 0)),
    "blur 0.3 %": blurred(0.003),
    "blur 1 %": blurred(0.01),
    "noise 4": noisy(4.0),
}


@torch.inference_mode()
def means(
    network: DetectorNetwork, samples: Sequence[Sample], change: Change, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Means of the features of changed images, `(N, C)`."""

    def found() -> Iterator[NDArray[np.float32]]:
        for sample in samples:
            image = change(to_8_bit(load_image(sample, max_pixels=10**8)), rng)
            codes = network.codes(to_tensor(image, network.size, network.channels)[None])
            if codes is None:
                raise SystemExit("these settings compare no features of the image itself")
            yield feature_means_of(codes.numpy()[0])

    return np.stack(list(found()))


def main(argv: Sequence[str] | None = None) -> None:
    """Measures the categories, and adds them to the results."""
    arguments = experiment_parser(__doc__, "benchmarks/results/feature_drift.json").parse_args(argv)
    for given in arguments.categories:
        category, config = opened(given, arguments)
        network = build_network(config, channels=3).eval()
        normal = [sample for sample in category.test if not sample.anomalous]
        rng = np.random.default_rng(arguments.seed)
        chosen = [normal[index] for index in sorted(rng.permutation(len(normal))[:RECENT])]
        reference = means(network, category.train, CHANGES["none"], rng)
        found = {}
        for name, change in CHANGES.items():
            drift = feature_drift_between(reference, means(network, chosen, change, rng))
            if drift is None:
                raise SystemExit(f"{given} has {len(reference)} and {len(chosen)} normal images, too few to tell")
            found[name] = asdict(drift)
        print(given, {name: (one["level"], round(one["moved"], 3)) for name, one in found.items()}, flush=True)
        add_run(given, arguments, {"kept": len(reference), "recent": len(chosen), "drift": found})


if __name__ == "__main__":
    main()
