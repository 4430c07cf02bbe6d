"""One compared method on categories, by the code that PYTHONPATH names: what a change of a method does to it.

    PYTHONPATH=[../before/src:]benchmarks python benchmarks/experiments/compared_methods.py SUITE/CATEGORY ... \
        --method NAME [--setting KEY=INTEGER ...] [--label LABEL]

Adds image AUROC, seconds of the fit and learnt parameters to the results. At its own settings f-anogan takes about half
an hour on one core.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from measuring.experiments import add_run, experiment_parser, opened
from utad.evaluation.evaluate import evaluate_method
from utad.evaluation.methods import build_method, learnt_parameters, predictor_of
from utad.types import Category


def measured(name: str, category: Category, *, seed: int, size: int, settings: Sequence[str]) -> dict[str, Any]:
    """A method fitted to a category and evaluated on it."""
    method = build_method(name, seed=seed, size=size, preset="fast", overrides=tuple(settings))
    start = time.perf_counter()
    method.fit(category)
    seconds = time.perf_counter() - start
    evaluation = evaluate_method(predictor_of(method), category)
    assert evaluation.image is not None
    return {
        "method": name,
        "method_settings": list(settings),
        "fit_s": round(seconds, 1),
        "parameters": learnt_parameters(method),
        "image_auroc": round(evaluation.image.auroc, 4),
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Measures the categories, and adds them to the results."""
    parser = experiment_parser(__doc__, "benchmarks/results/compared_methods.json")
    parser.add_argument("--method", required=True)
    parser.add_argument("--setting", dest="method_settings", action="append", default=[], metavar="KEY=INTEGER")
    arguments = parser.parse_args(argv)
    for given in arguments.categories:
        category, config = opened(given, arguments)
        size, seed = config.image.size, arguments.seed
        found = measured(arguments.method, category, seed=seed, size=size, settings=arguments.method_settings)
        print(given, arguments.label, found, flush=True)
        add_run(given, arguments, found)


if __name__ == "__main__":
    main()
