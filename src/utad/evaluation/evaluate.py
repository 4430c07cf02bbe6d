"""A fitted detector against the ground truth of one category."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from utad.data.reading import load_mask
from utad.detector import UTAD
from utad.errors import DataError, ImageReadError
from utad.evaluation.evaluation import Evaluation, Outcome, evaluate_outcomes
from utad.evaluation.predicting import PredictionFolder, tracked
from utad.evaluation.report import Result, metrics_table, write_metrics
from utad.files import write_atomically
from utad.types import Category, Prediction, Sample


@dataclass(frozen=True)
class EvaluationReport:
    """An evaluation, and the Markdown table of it."""

    evaluation: Evaluation
    table: str


def evaluate_to_folder(
    detector: UTAD,
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
    samples = labelled(category)
    has_masks = masks_complete(samples)
    outcomes = []
    seconds = 0.0
    with PredictionFolder(output, [sample.name for sample in samples]) as folder:
        predictions = detector.predict_samples(samples, batch_size=batch_size)
        start = time.perf_counter()
        for sample, prediction in tracked(predictions, len(samples), "evaluating", show=progress):
            if isinstance(prediction, ImageReadError):
                raise prediction
            # Only the predicting is timed: reading masks and writing rows is ours, not the detector's.
            seconds += time.perf_counter() - start
            outcomes.append(to_outcome(sample, prediction, with_masks=has_masks))
            folder.add(sample, prediction)
            start = time.perf_counter()
    evaluation = evaluate_outcomes(outcomes, seconds=seconds)
    result = Result(Path(dataset).name, category.name, "utad", detector.config.seed, evaluation)
    write_metrics(output / "metrics.json", [result])
    table = metrics_table([result])
    write_atomically(output / "metrics.md", lambda temporary: temporary.write_text(table + "\n", encoding="utf-8"))
    return EvaluationReport(evaluation, table)


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


def to_outcome(sample: Sample, prediction: Prediction, *, with_masks: bool) -> Outcome:
    """What the metrics need of a prediction.

    Raises:
        DatasetError: if the mask has another size than the image.
        ImageReadError: if the mask cannot be read.
    """
    shape = (prediction.anomaly_map.shape[0], prediction.anomaly_map.shape[1])
    return Outcome(
        score=prediction.raw_score,
        called_anomalous=prediction.pred_label,
        anomalous=bool(sample.anomalous),
        anomaly_map=prediction.anomaly_map if with_masks else None,
        pred_mask=prediction.pred_mask if with_masks else None,
        gt_mask=load_mask(sample, shape) if with_masks else None,
    )
