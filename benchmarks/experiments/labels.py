"""How far the threshold lies from the one that 1 % of the test's normal images exceed, and what moves it.

    PYTHONPATH=benchmarks python benchmarks/experiments/labels.py SUITE/CATEGORY ... [--real-root DIR] \
        [--set KEY=VALUE ...]

Trains the feature impression alone, neither IE-Net nor Expert-Net, with two witnesses: the product's, and one that half
of its images trained. *Gap needed* is how much higher the median of the test's normal images lies than that of
calibration. False alarms and recall are those of the default components with no gap, with the witness's gap (the
product), and with that gap times the share of the images that trained it. Ten minutes each on one core.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from experiments.feature_impression import UNTRAINED_STAGES, by_component, fitted, measured, weighted
from measuring.experiments import add_run, experiment_parser, opened
from utad.config import Config
from utad.models.build import build_feature_impression
from utad.models.feature_impression import FeatureImpression
from utad.scoring.feature_examples import feature_examples
from utad.scoring.network import DetectorNetwork
from utad.scoring.normalisation import fit_normalisation, gap
from utad.training.fit import train_feature_impression
from utad.types import Category

RATE = 0.01


def trained_witness(
    network: DetectorNetwork, images: Tensor, trained_on: Tensor, config: Config, name: str
) -> FeatureImpression:
    """A feature impression that some of the images trained."""
    chosen = images[trained_on]
    normal, anomalous = feature_examples(network, chosen, config)
    assert network.feature_impression is not None
    torch.manual_seed(config.seed)
    impression = build_feature_impression(config.feature_net, normal.shape[1])
    train_feature_impression(impression, chosen, config, normal=normal, anomalous=anomalous, name=name)
    return impression.eval()


def compared(category: Category, config: Config) -> dict[str, float]:
    """Gaps, and what thresholds with and without them come to."""
    weights = dict.fromkeys(config.scoring.components, 1.0)
    network, _, normals = fitted(category, config)
    scores, own, seen = (
        weighted(found, weights) for found in (measured(network, category, config)[0], normals.scores, normals.seen)
    )
    half = normals.trained_on & (normals.trained_on.cumsum(dim=0) % 2 == 0)
    impression = trained_witness(network, normals.images, half, config, "feature_net_half")
    by_half, _ = by_component(network, normals.images, impression)
    seen_by_half = weighted(by_half, weights)
    labels = np.array([bool(sample.anomalous) for sample in category.test if sample.anomalous is not None])
    test = scores.double().numpy()
    exact = float(np.quantile(test[~labels], 1 - RATE))
    of_witness, of_half = (
        gap(values[group], values[normals.held_out])
        for values, group in ((seen, normals.trained_on), (seen_by_half, half))
    )
    share = float(normals.trained_on.double().mean())
    found = {
        "normal_test_images": float((~labels).sum()),
        "share": share,
        "share_of_half": float(half.double().mean()),
        "gap_needed": float(np.median(test[~labels])) - float(own.median()),
        "gap_of_witness": of_witness,
        "gap_of_half": of_half,
        "recall_exact": float((test[labels] > exact).mean()),
    }
    for rule, moved in (("without", 0.0), ("by_share", share * of_witness), ("whole", of_witness)):
        limit = fit_normalisation(own + moved, RATE).limit
        found[f"false_alarms_{rule}"] = float((test[~labels] > limit).mean())
        found[f"recall_{rule}"] = float((test[labels] > limit).mean())
    return {key: round(value, 4) for key, value in found.items()}


def main(argv: Sequence[str] | None = None) -> None:
    """Measures the categories, and adds them to the results."""
    arguments = experiment_parser(__doc__, "benchmarks/results/labels.json").parse_args(argv)
    for given in arguments.categories:
        found = compared(*opened(given, arguments, settings=UNTRAINED_STAGES))
        print(given, found, flush=True)
        add_run(given, arguments, {"labels": found})


if __name__ == "__main__":
    main()
