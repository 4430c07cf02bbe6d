"""How long the cells of a benchmark will take, roughly: from a trial of every method on a few of the images."""

from __future__ import annotations

import time
from dataclasses import fields, replace
from statistics import fmean

from utad.baselines.baseline import Baseline
from utad.baselines.fitting import TrainedBaseline
from utad.config import Config
from utad.detector import UTAD
from utad.evaluation.benchmark import Benchmark
from utad.evaluation.benchmark_cell import Cell, method_of, open_cell
from utad.evaluation.evaluate import evaluate_method
from utad.evaluation.figure_plan import SHARED
from utad.evaluation.methods import device_of, predictor_of
from utad.scoring.network import build_network
from utad.training_time import expected_seconds
from utad.types import Category

TRIAL_IMAGES = 8
TRIAL_STEPS = 2


def expected_benchmark_seconds(benchmark: Benchmark) -> float:
    """Seconds that a benchmark will take from its beginning, one cell at a time, good to a factor of two.

    Every variant is tried on the first category; the images of all categories are counted.

    Args:
        benchmark: what is to be run.

    Raises:
        ConfigError: as `Benchmark.cells`.
        UTADError: what a trial raises: the cells would fail in the same way.
    """
    cells = benchmark.cells()
    first = cells[0]
    of_first_seed = {(cell.dataset, cell.category): cell for cell in cells if cell.seed == first.seed}
    opened = [open_cell(cell) for cell in of_first_seed.values()]
    n_train = round(fmean(len(category.train) for category in opened))
    n_test = round(fmean(len(category.test) for category in opened))
    few = open_cell(replace(first, limit=TRIAL_IMAGES))
    seconds, trained = 0.0, set[str]()
    for cell in cells:
        if (cell.dataset, cell.category, cell.seed) != (first.dataset, first.category, first.seed):
            continue
        whole = expected_cell_seconds(cell, few, n_train=n_train, n_test=n_test)
        seconds += whole * (SHARED if cell.training in trained else 1.0)
        if cell.training is not None:
            trained.add(cell.training)
    return seconds * len(opened) * len(benchmark.seeds)


def expected_cell_seconds(cell: Cell, few: Category, *, n_train: int, n_test: int) -> float:
    """Seconds that a cell will take.

    Args:
        cell: what is to be run.
        few: some of its images, normal and anomalous ones, for the trial.
        n_train: normal images that it learns from.
        n_test: images that it scores.
    """
    method = method_of(cell)
    if isinstance(method, UTAD):
        return _of_utad(method.config, n_train, n_test)
    full = _lengths(method)
    short = tuple(f"{name}={min(length, TRIAL_STEPS)}" for name, length in full.items())
    trial = method_of(replace(cell, overrides=(*cell.overrides, *short)))
    assert isinstance(trial, Baseline)
    start = time.perf_counter()
    trial.fit(few)
    learning = time.perf_counter() - start
    scoring = evaluate_method(predictor_of(trial), few).ms_per_image / 1000
    if not isinstance(trial, TrainedBaseline):
        return learning * n_train / len(few.train) + scoring * n_test
    # The settings are lengths of loops, some of which are run several times over: the trial says how often.
    batches = len(trial.step_seconds) * sum(full.values()) / sum(_lengths(trial).values())
    return fmean(trial.step_seconds) * batches + scoring * (n_train + n_test)


def _of_utad(config: Config, n_train: int, n_test: int) -> float:
    channels = 1 if config.image.channels == 1 else 3
    network = build_network(config, channels)
    network.to(device_of(config.accelerator))
    return expected_seconds(network, config, n_fitted=n_train, n_scored=n_test)


def _lengths(method: Baseline) -> dict[str, int]:
    return {one.name: getattr(method, one.name) for one in fields(method) if one.name.endswith("steps")}
