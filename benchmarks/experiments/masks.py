"""What masks are worth by how Eq. 9 is read: IoU with the truth, and normal images with a mask.

    PYTHONPATH=benchmarks python benchmarks/experiments/masks.py SUITE/CATEGORY ... \
        [--real-root DIR] [--set KEY=VALUE ...]

Trains the default detector without IE-Net and Expert-Net, which do not enter its maps. *Fixed* compares the normalised
map with one limit in all images; *relative* with a part of its peak, in images called anomalous; *oracle* is the fixed
limit that is best on these very images. Six minutes each on one core.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from measuring.experiments import add_run, experiment_parser, opened
from utad.config import Config
from utad.data.reading import load_mask
from utad.detector import UTAD
from utad.errors import checked
from utad.evaluation.evaluate import labelled
from utad.types import Category, Prediction

UNTRAINED_STAGES = ("ie_training.steps=0", "expert_training.steps=0")
ALPHAS = (0.3, 0.4, 0.5, 0.6, 0.7)
LIMITS = tuple(float(limit) for limit in np.linspace(0.3, 6.0, 20))


def limits_of(prediction: Prediction) -> dict[str, float]:
    """The limit of each rule for one image; infinite where the rule gives it no mask."""
    peak = float(prediction.anomaly_map.max())
    relative = {f"relative {a:g}": a * peak if prediction.pred_label else np.inf for a in ALPHAS}
    return {"fixed 0.5": 0.5, **relative, **{f"oracle {limit:.2f}": limit for limit in LIMITS}}


def masked(category: Category, config: Config) -> dict[str, dict[str, float]]:
    """IoU and the share of normal images with a mask, by rule; of the oracles the best alone."""
    detector = UTAD(config=config).fit(category)
    overlaps: dict[str, NDArray[np.int64]] = {}
    normal_masked: dict[str, list[bool]] = {}
    for sample, outcome in detector.predict_samples(labelled(category)):
        prediction = checked(outcome)
        truth = load_mask(sample, (prediction.anomaly_map.shape[0], prediction.anomaly_map.shape[1]))
        assert truth is not None
        for rule, limit in limits_of(prediction).items():
            mask = prediction.anomaly_map > limit
            found = np.array([np.count_nonzero(mask & truth), np.count_nonzero(mask | truth)])
            overlaps[rule] = overlaps.get(rule, 0) + found
            if not sample.anomalous:
                normal_masked.setdefault(rule, []).append(bool(mask.any()))
    rules = {
        rule: {"iou": round(float(i / u), 4), "masked_normals": round(float(np.mean(normal_masked[rule])), 4)}
        for rule, (i, u) in overlaps.items()
    }
    oracles = {rule: values for rule, values in rules.items() if rule.startswith("oracle")}
    best = max(oracles, key=lambda rule: oracles[rule]["iou"])
    return {rule: values for rule, values in rules.items() if rule not in oracles or rule == best}


def main(argv: Sequence[str] | None = None) -> None:
    """Measures the categories, and adds them to the results."""
    arguments = experiment_parser(__doc__, "benchmarks/results/masks.json").parse_args(argv)
    for given in arguments.categories:
        found = masked(*opened(given, arguments, settings=UNTRAINED_STAGES))
        print(given, found, flush=True)
        add_run(given, arguments, {"rules": found})


if __name__ == "__main__":
    main()
