"""Trains what figures need, one cell after the other, and keeps what each says of the chosen images."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from utad.baselines.baseline import MAX_PIXELS
from utad.detector import UTAD
from utad.errors import OutputError, UTADError
from utad.evaluation.benchmark_cell import TRAININGS, Cell, fit_cell, method_of, open_cell
from utad.evaluation.benchmark_runner import Progress
from utad.evaluation.figure_cache import cache_path, read_findings, read_reference, write_findings, write_reference
from utad.evaluation.figure_findings import Reference, findings_of, reference_of, subjects_of
from utad.evaluation.figure_plan import seconds_of
from utad.files import make_directory
from utad.interpret.shown_image import Finding, Subject
from utad.types import Category


@dataclass(frozen=True)
class CategoryFindings:
    """All that the figures of one category are drawn from.

    Attributes:
        category: its images.
        subjects: those that figures show.
        reference: what the default method says.
        findings: of each method by name, in the order of the subjects.
        failures: method and reason.
    """

    category: Category
    subjects: tuple[Subject, ...]
    reference: Reference
    findings: dict[str, tuple[Finding, ...]]
    failures: list[tuple[str, str]] = field(default_factory=list)


class FigureRunner:
    """Runs cells, and knows how long the rest takes.

    Args:
        cells: all there are, of all categories.
        output: findings go to `output/cells/`, trainings that cells share to `output/training/`.
        images: with defects that are chosen of a category.
        report: called after every cell that was run.

    Attributes:
        total: the number of cells.
    """

    def __init__(
        self, cells: Sequence[Cell], output: Path, *, images: int, report: Callable[[Progress], None] | None = None
    ) -> None:
        self.total = len(cells)
        self._output, self._images, self._report = output, images, report
        self._seconds = dict(zip(cells, seconds_of(cells), strict=True))
        self._ended = {cell for cell in cells if cache_path(output, cell).is_file()}
        self._spent = self._expected = 0.0

    @property
    def done(self) -> int:
        """Cells that have ended, in this run or an earlier one."""
        return len(self._ended)

    @property
    def seconds_left(self) -> float:
        """A rough estimate: before the first cell has ended, for two cores and the preset fast."""
        waiting = sum(seconds for cell, seconds in self._seconds.items() if cell not in self._ended)
        return waiting * (self._spent / self._expected if self._expected else 1.0)

    def run(self, cells: Sequence[Cell]) -> CategoryFindings:
        """The findings of one category.

        Args:
            cells: of it, that of the reference first.

        Raises:
            OutputError: if the folder cannot be written, or holds findings of other settings.
            UTADError: if the reference fails; what goes wrong with another method is among the failures.
        """
        make_directory(cache_path(self._output, cells[0]).parent)
        category = open_cell(cells[0])
        reference = self._reference(cells[0], category)
        subjects = subjects_of(reference.choice, max_pixels=MAX_PIXELS)
        found = CategoryFindings(category, subjects, reference, {cells[0].method: reference.findings})
        for cell in cells[1:]:
            try:
                found.findings[cell.method] = self._findings(cell, category, reference)
            except OutputError:
                raise  # the next one would not be written either
            except UTADError as error:
                found.failures.append((cell.method, str(error)))
                self._end(cell, error=str(error))
        return found

    def _reference(self, cell: Cell, category: Category) -> Reference:
        path = cache_path(self._output, cell)
        found = read_reference(path, cell, self._images, category)
        if found is None:
            start = time.perf_counter()
            detector = method_of(cell)
            assert isinstance(detector, UTAD)
            fit_cell(cell, detector, category, self._output / TRAININGS)
            found = reference_of(detector, category, self._images)
            write_reference(path, cell, self._images, found)
            self._end(cell, seconds=time.perf_counter() - start)
        return found

    def _findings(self, cell: Cell, category: Category, reference: Reference) -> tuple[Finding, ...]:
        path, samples = cache_path(self._output, cell), [one.sample for one in reference.choice.images]
        names = [sample.name for sample in samples]
        found = read_findings(path, cell, names)
        if found is None:
            start = time.perf_counter()
            method = method_of(cell)
            fit_cell(cell, method, category, self._output / TRAININGS)
            found = findings_of(method, samples, seed=cell.seed)
            write_findings(path, cell, names, found)
            self._end(cell, seconds=time.perf_counter() - start)
        return found

    def _end(self, cell: Cell, *, seconds: float | None = None, error: str | None = None) -> None:
        """Reports a cell that has ended, after so many seconds if it went well."""
        self._ended.add(cell)
        if seconds is not None:
            self._spent, self._expected = self._spent + seconds, self._expected + self._seconds[cell]
        if self._report is not None:
            left = self.seconds_left if self._expected else None
            self._report(Progress(self.done, self.total, left, cell, error))
