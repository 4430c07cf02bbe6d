"""A benchmark as a matrix of cells: run in N processes, interrupted and continued, failures kept and told."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from utad.errors import OutputError, UTADError
from utad.evaluation.benchmark_cell import TRAININGS, Cell, run_cell
from utad.files import make_directory, write_atomically
from utad.processes import failure_of, run_apart, shared_threads

CELLS = "cells"


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        done: finished cells, those of earlier runs included.
        total: all cells.
        seconds_left: an estimate from this run's cells; None before the first has ended.
        cell: the one that has just ended.
        error: why it failed; None if it did not.
    """

    done: int
    total: int
    seconds_left: float | None
    cell: Cell
    error: str | None


@dataclass(frozen=True)
class MatrixResult:
    """Results of all finished cells, and the failures of this run by cell.

    Attributes:
        results: what `run_cell` returned, in the order of the cells.
        failures: cell and reason.
    """

    results: list[dict[str, Any]]
    failures: list[tuple[Cell, str]]


def run_matrix(
    cells: Sequence[Cell], output: Path, *, jobs: int = 1, report: Callable[[Progress], None] | None = None
) -> MatrixResult:
    """Runs every cell that has no result in `output` yet.

    Args:
        cells: of the matrix.
        output: results go to `output/cells/`, one file each.
        jobs: processes at a time, which share the cores; 0 runs the cells here, one after the other, so that the
            peak memory of a cell is that of all before it.
        report: called after every cell.

    Raises:
        OutputError: if the folder cannot be written, or holds results of other settings.
    """
    folder = make_directory(make_directory(output) / CELLS)
    waiting = [cell for cell in cells if stored_result(output, cell) is None]
    started, failures = time.perf_counter(), []
    run = _run_here(waiting, folder) if jobs == 0 else _run_apart(waiting, folder, jobs)
    for ended, (cell, error) in enumerate(run, start=1):
        if error is not None:
            failures.append((cell, error))
        if report is not None:
            left = (time.perf_counter() - started) / ended * (len(waiting) - ended)
            report(Progress(len(cells) - len(waiting) + ended, len(cells), left, cell, error))
    results = [stored for cell in cells if (stored := stored_result(output, cell)) is not None]
    return MatrixResult(results, failures)


def _run_here(cells: Sequence[Cell], folder: Path) -> Iterator[tuple[Cell, str | None]]:
    for cell in cells:
        try:
            write_results(folder / cell.file_name, run_cell(cell, folder.parent / TRAININGS))
        except UTADError as error:
            yield cell, f"{type(error).__name__}: {error}"
        else:
            yield cell, None


def _run_apart(cells: Sequence[Cell], folder: Path, jobs: int) -> Iterator[tuple[Cell, str | None]]:
    start = partial(_start, folder=folder, jobs=jobs)
    with closing(run_apart(cells, start, jobs=jobs, may_start=_trains_alone)) as running:
        for cell, process in running:
            log = _log(folder, cell)
            error = failure_of(process, log)
            if error is None:
                log.unlink(missing_ok=True)
            yield cell, error


def _trains_alone(cell: Cell, running: Sequence[Cell]) -> bool:
    """Whether no other process is at its training."""
    return cell.training_name is None or all(cell.training_name != other.training_name for other in running)


def _start(cell: Cell, folder: Path, jobs: int) -> subprocess.Popen[str]:
    with _log(folder, cell).open("w", encoding="utf-8") as log:
        module = "utad.evaluation.benchmark_cell"
        return subprocess.Popen(
            [sys.executable, "-m", module, json.dumps(asdict(cell)), str(folder / cell.file_name)],
            stdout=subprocess.DEVNULL,
            stderr=log,
            env=shared_threads(jobs),
            text=True,
        )


def _log(folder: Path, cell: Cell) -> Path:
    return folder / f"{cell.file_name}.log"


def stored_result(output: Path, cell: Cell) -> dict[str, Any] | None:
    """What `run_cell` returned for a cell, if it has run.

    Raises:
        OutputError: if its file is the result of other settings.
    """
    path = output / CELLS / cell.file_name
    if not path.is_file():
        return None
    try:
        stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if stored.get("cell") != json.loads(json.dumps(asdict(cell))):
        raise OutputError(
            f"{path} is the result of other settings: write to another folder, or delete it to run the cell again"
        )
    return stored


def write_results(path: Path, document: dict[str, Any]) -> None:
    """Writes the result of a cell atomically."""
    write_atomically(path, lambda temporary: temporary.write_text(as_json(document), encoding="utf-8"))


def as_json(document: dict[str, Any]) -> str:
    """The text of a file of results."""
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
