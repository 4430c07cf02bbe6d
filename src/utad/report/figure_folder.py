"""The paper's figures of a suite, whose methods are trained for it, or of one model, as a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from utad.detector import UTAD
from utad.errors import OutputError, UTADError, noted
from utad.evaluation.benchmark_cell import TRAININGS, method_of
from utad.evaluation.benchmark_runner import CELLS, Progress
from utad.evaluation.figure_findings import reference_of, subjects_of
from utad.evaluation.figure_plan import OF_ONE_MODEL, FigurePlan, check_numbers
from utad.evaluation.figure_runner import CategoryFindings, FigureRunner
from utad.inputs import paths_of
from utad.interpret.paper_figures import OURS
from utad.output_folder import output_folder
from utad.report.figure_writing import FigureSummary, FigureWriting
from utad.types import Category

PURPOSE = "figures"

_OF_A_SUITE = (
    "figures 5, 6, 9 and 10 compare several trainings, and one model has one: utad figures SUITE trains what they need"
)


def figures_of_suite(
    plan: FigurePlan,
    output: Path,
    *,
    begin: Callable[[FigureRunner], None] | None = None,
    report: Callable[[Progress], None] | None = None,
) -> FigureSummary:
    """Trains what the figures of a suite need, and draws them, one category after the other.

    What was trained stays in `output`: a stopped call goes on, and repeats no cell with the same settings.

    Args:
        plan: of `plan_figures`.
        output: the folder.
        begin: called before the first training.
        report: called after every cell.

    Raises:
        ConfigError: unknown category, the suite needs a root, or a setting is wrong.
        DatasetError: if data is missing.
        OutputError: if the folder overlaps the root, is taken by another process, holds findings of other settings or
            files that are not ours where some are to be written, or cannot be written.
        UTADError: what went wrong, where nothing could be drawn.
    """
    groups = list(plan.by_category())
    for cell in groups[0]:
        method_of(cell)  # a wrong setting comes out before the first training
    runner = FigureRunner([cell for cells in groups for cell in cells], output, images=plan.images, report=report)
    apart_from = (plan.benchmark.root,) if plan.benchmark.root is not None else ()
    with (
        noted(lambda: f"{runner.done} of {runner.total} cells are kept in {output / CELLS}; the same command goes on"),
        output_folder(output, PURPOSE, apart_from=apart_from) as folder,
    ):
        writing = FigureWriting(folder, f"Suite {plan.benchmark.suite.name}, preset {plan.benchmark.preset}.")
        writing.refuse_others(plan.shown, [cells[0].category for cells in groups])
        folder.own((CELLS, TRAININGS))
        if begin is not None:
            begin(runner)
        for cells in groups:
            try:
                found = runner.run(cells)
            except OutputError:
                raise
            except UTADError as error:
                writing.fail(f"{cells[0].category}: {error}", error)
                continue
            for method, reason in found.failures:
                writing.fail(f"{cells[0].category}, {method}: {reason}")
            writing.add(found, plan.shown, seed=cells[0].seed)
        return writing.finish()


def figures_of_model(
    detector: UTAD,
    category: Category,
    output: Path,
    *,
    numbers: Sequence[int] = OF_ONE_MODEL,
    images: int = 4,
    seed: int = 0,
    apart_from: Iterable[Path] = (),
    subject: str = "",
) -> FigureSummary:
    """Draws the figures that one model gives.

    Args:
        detector: fitted.
        category: its test images, labelled and not seen in training.
        output: the folder.
        numbers: some of `OF_ONE_MODEL`.
        images: with defects that are shown, at least 1.
        seed: of t-SNE.
        apart_from: further inputs that the folder must lie apart from.
        subject: what is drawn of what, in words.

    Raises:
        ConfigError: if a figure needs other trainings.
        DataError: if no test image has a label, or nothing can be drawn of so few.
        ImageReadError: naming a test image that cannot be read.
        OutputError: as `figures_of_suite`.
    """
    check_numbers(numbers, OF_ONE_MODEL)
    inputs = [*apart_from, *paths_of([*category.train, *category.test])]
    with (
        noted(lambda: f"the figures in {output} are not complete; run the same command again, it begins anew"),
        output_folder(output, PURPOSE, apart_from=inputs) as folder,
    ):
        writing = FigureWriting(folder, subject)
        shown = {number: (OURS,) for number in sorted(set(numbers))}
        writing.refuse_others(shown, [category.name])
        reference = reference_of(detector, category, images)
        subjects = subjects_of(reference.choice, max_pixels=detector.config.image.max_pixels)
        writing.add(CategoryFindings(category, subjects, reference, {OURS: reference.findings}), shown, seed=seed)
        writing.leave_out(_OF_A_SUITE)
        return writing.finish()
