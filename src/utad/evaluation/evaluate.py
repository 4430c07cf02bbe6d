"""A fitted method against the ground truth of one category."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from utad.data.reading import load_mask
from utad.errors import DataError, ImageReadError
from utad.evaluation.evaluation import Evaluation, Outcome, evaluate_outcomes
from utad.evaluation.predicting import PredictionFolder, tracked
from utad.evaluation.protocols import Detector, Predictor, Scored
from utad.evaluation.report import Result, metrics_table, write_metrics
from utad.files import write_atomically
from utad.types import Category, Sample

_Scored = TypeVar("_Scored", bound=Scored)


@dataclass(frozen=True)
class EvaluationReport:
    """An evaluation, and the Markdown table of it."""

    evaluation: Evaluation
    table: str


def evaluate_to_folder(
    detector: Detector,
    category: Category,
    output: Path,
    *,
    dataset: str,
    batch_size: int = 8,
    progress: bool = False,
) -> EvaluationReport:
    """Scores the labelled test images; writes `metrics.json`, `metrics.md`, `predictions.csv` and `.jsonl`.

    Args:
        detector: fitted.
        category: its test images.
        output: the folder to write to.
        dataset: the name under which `metrics.json` has it.
        batch_size: images scored together.
        progress: show a bar on the terminal.

    Raises:
        DataError: if no test image has a label.
        ImageReadError: naming a test image that cannot be read.
        OutputError: if something cannot be written.
    """
    names = [sample.name for sample in labelled(category)]
    timer = _Timer()
    outcomes = []
    with PredictionFolder(output, names) as folder:
        predictions = _scored(detector, category, timer, batch_size=batch_size)
        for sample, prediction, outcome in tracked(predictions, len(names), "evaluating", show=progress):
            outcomes.append(outcome)
            folder.add(sample, prediction)
    evaluation = evaluate_outcomes(outcomes, seconds=timer.seconds)
    result = Result(Path(dataset).name, category.name, "utad", detector.config.seed, evaluation)
    write_metrics(output / "metrics.json", [result])
    table = metrics_table([result])
    write_atomically(output / "metrics.md", lambda temporary: temporary.write_text(table + "\n", encoding="utf-8"))
    return EvaluationReport(evaluation, table)


def evaluate_method(method: Predictor[Scored], category: Category, *, batch_size: int = 8) -> Evaluation:
    """Metrics of a fitted method on the labelled test images.

    Raises:
        DataError: if no test image has a label.
        ImageReadError: naming a test image that cannot be read.
    """
    timer = _Timer()
    outcomes = [outcome for _, _, outcome in _scored(method, category, timer, batch_size=batch_size)]
    return evaluate_outcomes(outcomes, seconds=timer.seconds)


def labelled(category: Category) -> list[Sample]:
    """The test images that have a label.

    Raises:
        DataError: if there is none.
    """
    samples = [sample for sample in category.test if sample.anomalous is not None]
    if not samples:
        raise DataError(
            f"{category.name} has no labelled test images: sort them into normal/ and abnormal/, or use the layout of "
            "MVTec AD"
        )
    return samples


def masks_complete(samples: Sequence[Sample]) -> bool:
    """Whether every anomalous image has a mask, so that pixel metrics exist."""
    anomalous = [sample for sample in samples if sample.anomalous]
    return bool(anomalous) and all(sample.mask is not None for sample in anomalous)


@dataclass
class _Timer:
    """Seconds spent in predicting alone; reading masks and writing rows is not the method's time."""

    seconds: float = 0.0


def _scored(
    method: Predictor[_Scored], category: Category, timer: _Timer, *, batch_size: int
) -> Iterator[tuple[Sample, _Scored, Outcome]]:
    """The labelled test images with their predictions and what the metrics need of them."""
    samples = labelled(category)
    with_masks = masks_complete(samples)
    start = time.perf_counter()
    for sample, prediction in method.predict_samples(samples, batch_size=batch_size):
        if isinstance(prediction, ImageReadError):
            raise prediction
        timer.seconds += time.perf_counter() - start
        shape = (prediction.anomaly_map.shape[0], prediction.anomaly_map.shape[1])
        outcome = Outcome(
            score=prediction.raw_score,
            called_anomalous=prediction.pred_label,
            anomalous=bool(sample.anomalous),
            anomaly_map=prediction.anomaly_map if with_masks else None,
            pred_mask=prediction.pred_mask if with_masks else None,
            gt_mask=load_mask(sample, shape) if with_masks else None,
        )
        yield sample, prediction, outcome
        start = time.perf_counter()
