"""The demo: train, evaluate, and a picture of a few test images that a person can look at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from utad.data.reading import load_image, load_mask
from utad.detector import UTAD
from utad.errors import noted
from utad.evaluation.evaluate import METRICS, Companion, EvaluationReport, evaluate_to_folder
from utad.evaluation.prediction_tables import TABLES
from utad.fit_report import FitReport
from utad.inputs import paths_of
from utad.interpret.figures import GridRow, prediction_grid
from utad.output_folder import output_folder
from utad.types import Category, Sample

PURPOSE, GRID = "demo", "grid.png"
TRAINING = "training.html"
"""The report of the training; `report.html` is that of the evaluation."""

GRID_NORMAL = 2
"""Normal images in the grid; one of each kind of defect joins them."""


def run_demo(
    detector: UTAD,
    category: Category,
    output: Path,
    *,
    companion: Companion | None = None,
    training_page: Callable[[FitReport], str] | None = None,
    progress: bool = False,
) -> EvaluationReport:
    """Trains and evaluates on a category and leaves everything in a folder.

    Args:
        detector: not fitted.
        category: with test images of both kinds.
        output: gets what `UTAD.fit` and `evaluate_to_folder` write, and `grid.png`.
        companion: of the evaluation, as for `evaluate_to_folder`.
        training_page: makes `training.html` of what the training came to; None for none.
        progress: show bars on the terminal.

    Raises:
        OutputError: if something cannot be written, or stands there already and is not of an earlier demo.
    """
    with output_folder(output, PURPOSE, apart_from=paths_of([*category.train, *category.test])) as folder:
        # Minutes of training would be lost if this came out in the end.
        further = companion.files if companion is not None else ()
        folder.refuse_others([GRID, TRAINING, *TABLES, *METRICS, *further])
    with noted(lambda: f"the demo in {output} is not complete; run the same command again, it begins anew"):
        detector.fit(category, output=output, replace=True, progress=progress)
        if training_page is not None and detector.report_ is not None:
            page = training_page(detector.report_)
            with output_folder(output, PURPOSE) as folder:
                folder.write_text(TRAINING, page)
        return _evaluate(detector, category, output, companion=companion, progress=progress)


def _evaluate(
    detector: UTAD, category: Category, output: Path, *, companion: Companion | None, progress: bool
) -> EvaluationReport:
    report = evaluate_to_folder(
        detector,
        category,
        output,
        dataset=category.name,
        seed=detector.config.seed,
        progress=progress,
        companion=companion,
    )
    figure = prediction_grid(grid_rows(detector, choose(category)))
    with output_folder(output, PURPOSE) as folder:
        folder.write(GRID, lambda temporary: figure.savefig(temporary, format="png", dpi=90))
    return report


def choose(category: Category) -> list[Sample]:
    """A few test images that show the whole range: some normal ones, and the first of every kind of defect."""
    normal = [sample for sample in category.test if sample.anomalous is False]
    defects: dict[str, Sample] = {}
    for sample in category.test:
        if sample.anomalous:
            defects.setdefault(sample.defect, sample)
    step = max(1, len(normal) // GRID_NORMAL)
    return [*normal[::step][:GRID_NORMAL], *defects.values()]


def grid_rows(detector: UTAD, samples: list[Sample]) -> list[GridRow]:
    """The samples with their predictions and what is known of them."""
    rows = []
    for sample, prediction in zip(samples, detector.predict(samples), strict=True):
        image = load_image(sample)
        mask = load_mask(sample, (image.shape[0], image.shape[1]))
        rows.append(GridRow(sample.defect or sample.name, image, prediction, mask))
    return rows
