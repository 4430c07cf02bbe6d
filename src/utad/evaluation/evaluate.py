"""A fitted method against the ground truth of one category."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from utad.data.ground_truth import Truth, truth_of
from utad.errors import DataError, checked
from utad.evaluation.evaluation import Evaluation, EvaluationAccumulator
from utad.evaluation.prediction_folder import PredictionFolder
from utad.evaluation.tables import comparison_table, row_of
from utad.inputs import paths_of
from utad.predictor import Predictor
from utad.progress import tracked
from utad.types import Category, Prediction, Sample

METRICS = ("metrics.json", "metrics.md")


@dataclass(frozen=True)
class EvaluationReport:
    """An evaluation, and the Markdown table of it.

    Attributes:
        evaluation: of a detector on a category.
        table: of this category.
        note: what a reader of the table must know, which stands below it; empty where there is nothing.
        seed: of the detector.
    """

    evaluation: Evaluation
    table: str
    note: str
    seed: int

    def as_dict(self) -> dict[str, Any]:
        """Plain values of the evaluation."""
        return self.evaluation.as_dict()

    @property
    def by_seed(self) -> dict[str, dict[str, Any]]:
        """The same by method and seed, as `metrics.json` has them below the category."""
        return {"utad": {str(self.seed): self.as_dict()}}


class Companion(Protocol):
    """What else is made of an evaluation: it sees the images one by one, and writes files beside the tables.

    Attributes:
        files: what it is going to write, below the output folder.
    """

    files: Sequence[str]

    def add(self, sample: Sample, prediction: Prediction, truth: Truth) -> None:
        """Takes in one image, with what it was compared with."""

    def finish(self, evaluation: Evaluation, write: Callable[[str, str], None]) -> None:
        """Writes its files, calling `write` with the name and the text of each."""


def evaluate_to_folder(
    predictor: Predictor,
    category: Category,
    output: Path,
    *,
    dataset: str,
    seed: int,
    batch_size: int = 8,
    progress: bool = False,
    companion: Companion | None = None,
) -> EvaluationReport:
    """Scores the labelled test images; writes `metrics.json`, `metrics.md`, `predictions.csv` and `.jsonl`.

    Args:
        predictor: of a fitted detector.
        category: its test images.
        output: the folder to write to.
        dataset: the name under which `metrics.json` has it.
        seed: of the detector; `metrics.json` is nested by data set, category, method and seed.
        batch_size: images scored together.
        progress: show a bar on the terminal.
        companion: what writes further files, such as the report.

    Raises:
        DataError: if no test image has a label.
        ImageReadError: naming a test image that cannot be read.
        OutputError: if something cannot be written, or `output` overlaps the images or their masks, or holds files
            that are not ours where some are to be written.
    """
    names = [sample.name for sample in labelled(category)]
    accumulator = EvaluationAccumulator()
    with PredictionFolder(output, names, apart_from=paths_of([*category.train, *category.test])) as folder:
        folder.refuse_others([*METRICS, *(companion.files if companion is not None else ())])
        predictions = _accumulated(predictor, category, accumulator, batch_size=batch_size)
        for sample, prediction, truth in tracked(predictions, len(names), "evaluating", bar=progress):
            folder.add(sample, prediction)
            if companion is not None:
                companion.add(sample, prediction, truth)
        evaluation = accumulator.compute()
        note = _region_note(evaluation)
        table = comparison_table([row_of(category.name, "utad", [evaluation.as_dict()])])
        table = f"{table}\n\n{note}" if note else table
        found = EvaluationReport(evaluation, table, note, seed)
        nested = {Path(dataset).name: {category.name: found.by_seed}}
        for name, text in zip(METRICS, (as_json_text(nested), table), strict=True):
            folder.write(name, text + "\n")
        if companion is not None:
            companion.finish(evaluation, folder.write)
    return found


def as_json_text(values: Mapping[str, Any]) -> str:
    """The text of a JSON file for people: indented, names as they are."""
    return json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False)


def evaluate_method(predictor: Predictor, category: Category, *, batch_size: int = 8) -> Evaluation:
    """Metrics of a fitted method, UTAD or another, on the labelled test images.

    Raises:
        DataError: if no test image has a label.
        ImageReadError: naming a test image that cannot be read.
    """
    accumulator = EvaluationAccumulator()
    for _ in _accumulated(predictor, category, accumulator, batch_size=batch_size):
        pass
    return accumulator.compute()


def labelled(category: Category) -> list[Sample]:
    """The test images that have a label.

    Raises:
        DataError: if there is none.
    """
    samples = [sample for sample in category.test if sample.anomalous is not None]
    if not samples:
        raise DataError(
            f"{category.name} has no labelled test images: name a folder that holds normal/ or abnormal/ or both, or "
            "one in the layout of MVTec AD"
        )
    return samples


def _region_note(evaluation: Evaluation) -> str:
    """What a reader of the table must know of the region of interest; empty where the whole image counts."""
    if evaluation.n_defects_outside is None:
        return ""
    return (
        "Only what lies in the model's region of interest counts. Images whose defects all lie outside, and which "
        f"count as normal: {evaluation.n_defects_outside}."
    )


def _accumulated(
    predictor: Predictor, category: Category, accumulator: EvaluationAccumulator, *, batch_size: int
) -> Iterator[tuple[Sample, Prediction, Truth]]:
    """The labelled test images with predictions and truths, each handed out once the accumulator has it."""
    start = time.perf_counter()
    for sample, outcome in predictor.predict_samples(labelled(category), batch_size=batch_size):
        prediction = checked(outcome)
        seconds = time.perf_counter() - start
        height, width = prediction.anomaly_map.shape
        truth = truth_of(sample, (height, width), prediction.inside)
        accumulator.update(
            prediction,
            anomalous=truth.anomalous,
            gt_mask=truth.mask,
            seconds=seconds,
            defects_outside=truth.outside,
        )
        yield sample, prediction, truth
        start = time.perf_counter()  # reading masks, counting and writing rows is not the method's time
