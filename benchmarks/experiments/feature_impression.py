"""What restored features are worth beside the features themselves, component by component and in sets.

    PYTHONPATH=benchmarks python benchmarks/experiments/feature_impression.py SUITE/CATEGORY ... \
        [--real-root DIR] [--set KEY=VALUE ...]

Trains the feature impression alone, neither IE-Net nor Expert-Net, and measures every set of `SETS` on it: image AUROC,
AUPRO, false alarms and recall at the default threshold, beside recall at exactly 1 % of the test's normal images and
false alarms without the witness. docs/experiments/feature_impression.md names the categories
that choices were made on. One to four minutes each on two cores.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from measuring.experiments import add_run, experiment_parser, opened
from utad import fitting
from utad.config import Config, ScoringConfig
from utad.data.loading import load_images
from utad.data.reading import load_image, load_mask
from utad.data.subsets import held_out_block
from utad.evaluation.metrics import PixelAccumulator, image_metrics
from utad.evaluation.studies import OF_X
from utad.models.feature_impression import FeatureImpression
from utad.scoring.calibration import NormalScores, Witness, calibrate
from utad.scoring.components import ScoreComponent
from utad.scoring.measurement import CalibratedMeasurement
from utad.scoring.network import DetectorNetwork, build_network
from utad.scoring.normalisation import fit_normalisation, gap
from utad.scoring.perceptual import upsample
from utad.types import Category

_X, _RESTORED = ("input", "input-near", "whole"), ("restored", "restored-near", "restored-whole")
_DETAIL, _DEEP = "input-detail", "deep"
EVERY = (*_X, *_RESTORED, _DETAIL, _DEEP)
DEFAULT = ScoringConfig()
SETS: Mapping[str, Mapping[str, float]] = {
    **{name: {name: 1.0} for name in EVERY},
    **{
        key: dict.fromkeys(names, 1.0)
        for key, names in {
            "x alone, before": _X,
            "default, before": (*_RESTORED, "input-near"),
            "restored, deep": ("restored", _DEEP),
            "default": DEFAULT.components,
            "x alone": tuple(OF_X.get(name, name) for name in DEFAULT.components),
            "input, deep": ("input", _DEEP),
            "near of both, restored": ("input-near", *_RESTORED[:2]),
            "near of both, restored, input-detail": ("input-near", *_RESTORED[:2], _DETAIL),
            "near of both, input-detail": ("input-near", "restored-near", _DETAIL),
            "restored, input-near, input-detail": ("restored", "input-near", _DETAIL),
        }.items()
    },
    "default, restored twice": {"restored": 2.0, _DEEP: 1.0, "input-near": 1.0},
}
UNTRAINED_STAGES = ("ie_training.steps=0", "expert_training.steps=0")
RATE = 0.01
BATCH = 8


@dataclass(frozen=True)
class Normals:
    """Scores of the normal images by component, `(N,)` each.

    Attributes:
        scores: each image by what was fitted without it.
        seen: by the witness.
        trained_on: which images trained it.
        held_out: which it is asked about.
        images: the images themselves, `(N, C, S, S)`.
    """

    scores: dict[str, Tensor]
    seen: dict[str, Tensor]
    trained_on: Tensor
    held_out: Tensor
    images: Tensor


def fitted(category: Category, config: Config) -> tuple[DetectorNetwork, dict[str, Any], Normals]:
    """The network, what its training came to, and the scores that its threshold would come from."""
    loaded = load_images(
        category.train, size=config.image.size, channels=None, max_pixels=config.image.max_pixels, skip_bad=False
    )
    trained_on = ~held_out_block(len(loaded.images), config.calibration.held_out)
    network = build_network(config, loaded.channels)
    assert network.feature_impression is not None
    scores: dict[str, Tensor] = {}
    for name, component in _components(network).items():
        component.fit = _kept(component, name, scores)  # type: ignore[method-assign]
    witnesses: list[Witness] = []

    def calibrating(*arguments: Any, witness: Witness, **options: Any) -> NormalScores:
        witnesses.append(witness)
        return calibrate(*arguments, witness=witness, **options)

    vars(fitting)["calibrate"] = calibrating
    start = time.perf_counter()
    seconds = fitting.fit_network(network, loaded.images, trained_on, config).seconds
    about = {
        "fit_s": round(time.perf_counter() - start, 1),
        "training_s": round(sum(seconds.values()), 1),
        "restored_variance": round(_restored(network, loaded.images), 3),
    }
    (witness,) = witnesses
    seen, _ = by_component(network.eval(), loaded.images, witness.impression)
    return network, about, Normals(scores, seen, witness.trained_on, witness.held_out, loaded.images)


def _kept(component: ScoreComponent, name: str, scores: dict[str, Tensor]) -> Any:
    fit = component.fit

    def keeping(*arguments: Any, **options: Any) -> Any:
        standardised = fit(*arguments, **options)
        scores[name] = standardised.scores
        return standardised

    return keeping


def _components(network: DetectorNetwork) -> dict[str, ScoreComponent]:
    measurement = network.measurement
    assert isinstance(measurement, CalibratedMeasurement)
    return {name: module for name, module in measurement.components.items() if isinstance(module, ScoreComponent)}


@torch.no_grad()
def _restored(network: DetectorNetwork, images: Tensor) -> float:
    """The share of the variance of normal features around their mean at each position that is restored."""
    parts = []
    for batch in torch.split(images, BATCH):
        features = network.features({"image": batch})
        restored = torch.cat(
            [stage["feature_impression"] for stage in features if "feature_impression" in stage], dim=1
        )
        parts.append((network.joined_features(features), restored))
    of_x, restored = (torch.cat(part) for part in zip(*parts, strict=True))
    around = (of_x - of_x.mean(dim=0)).square().sum(dim=(0, 2, 3))
    left = (of_x - restored).square().sum(dim=(0, 2, 3))
    return float((1 - left / around).mean())


def measured(
    network: DetectorNetwork, category: Category, config: Config
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Each component's scores `(N,)` and maps `(N, g, g)` of the labelled test images."""
    samples = [sample for sample in category.test if sample.anomalous is not None]
    images = load_images(
        samples, size=network.size, channels=network.channels, max_pixels=config.image.max_pixels, skip_bad=False
    ).images
    return by_component(network, images)


@torch.no_grad()
def by_component(
    network: DetectorNetwork, images: Tensor, impression: FeatureImpression | None = None
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Scores `(N,)` and maps `(N, g, g)` of images by component; `impression` restores, or the network's own."""
    scores: dict[str, list[Tensor]] = {}
    maps: dict[str, list[Tensor]] = {}
    for batch in torch.split(images, BATCH):
        features = network.features({"image": batch}, impression)
        for name, component in _components(network).items():
            maps.setdefault(name, []).append(component(features))
            scores.setdefault(name, []).append(component.standardisation.of_score(maps[name][-1]))
    joined = ({name: torch.cat(parts) for name, parts in found.items()} for found in (scores, maps))
    return next(joined), next(joined)


def weighted(found: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """The mean of the scores of some components by weight, `(N,)`."""
    return torch.stack([weight * found[name] for name, weight in weights.items()]).sum(dim=0) / sum(weights.values())


def evaluated(
    weights: Mapping[str, float],
    category: Category,
    found: tuple[Mapping[str, Tensor], Mapping[str, Tensor]],
    normals: Normals,
) -> dict[str, float]:
    """The metrics of the mean of some components, by weight; the map is their plain mean."""
    samples = [sample for sample in category.test if sample.anomalous is not None]
    labels = np.array([bool(sample.anomalous) for sample in samples])
    groups = (found[0], normals.scores, normals.seen)
    scores, own, seen = (weighted(group, weights) for group in groups)
    moved = own + gap(seen[normals.trained_on], seen[normals.held_out])
    called, without = (fit_normalisation(of_normal, RATE).apply(scores).numpy() > 0.5 for of_normal in (moved, own))
    best = scores.numpy() > np.quantile(scores.numpy()[~labels], 1 - RATE)
    image = image_metrics(scores.double().numpy(), labels)
    assert image is not None
    values = {
        "image_auroc": image.auroc,
        "false_alarms": called[~labels].mean(),
        "recall": called[labels].mean(),
        "recall_oracle": best[labels].mean(),
        "false_alarms_without_witness": without[~labels].mean(),
    }
    maps = [found[1][name] for name in weights if found[1][name].shape[-1] > 1]
    if maps and all(sample.mask is not None for sample in samples if sample.anomalous):
        accumulator = PixelAccumulator()
        finest = max(maps_of.shape[-1] for maps_of in maps)
        placed = torch.stack([upsample(maps_of, finest) for maps_of in maps]).mean(dim=0)
        for sample, anomaly_map in zip(samples, placed, strict=True):
            height, width = load_image(sample).shape[:2]
            mask = load_mask(sample, (height, width))
            assert mask is not None
            accumulator.update(upsample(anomaly_map[None], (height, width))[0].numpy(), mask, mask)
        pixel = accumulator.compute()
        values |= {"aupro": pixel.aupro, "pixel_auroc": pixel.auroc} if pixel is not None else {}
    return {key: round(float(value), 4) for key, value in values.items()}


def main(argv: Sequence[str] | None = None) -> None:
    """Measures the categories, and adds them to the results."""
    arguments = experiment_parser(__doc__, "benchmarks/results/feature_impression.json").parse_args(argv)
    every = ",".join(EVERY)
    for given in arguments.categories:
        settings = (f"scoring.components=[{every}]", *UNTRAINED_STAGES)
        category, config = opened(given, arguments, settings=settings)
        network, about, normals = fitted(category, config)
        found = measured(network, category, config)
        sets = {key: evaluated(weights, category, found, normals) for key, weights in SETS.items()}
        print(given, arguments.label, about)
        for key, values in sets.items():
            print(f"  {key:26}", values, flush=True)
        add_run(given, arguments, {**about, "sets": sets})


if __name__ == "__main__":
    main()
