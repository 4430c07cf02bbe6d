"""A benchmark as a matrix of cells: run in N processes, interrupted and continued, failures kept and told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from utad.errors import OutputError, UTADError
from utad.evaluation.benchmark_cell import TRAININGS, Cell, run_cell
from utad.files import make_directory, write_atomically

CELLS = "cells"
_POLL_SECONDS = 0.2


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
    waiting = list(cells)
    running: list[tuple[Cell, subprocess.Popen[str]]] = []
    try:
        while waiting or running:
            while len(running) < jobs and (cell := _next(waiting, [other for other, _ in running])) is not None:
                waiting.remove(cell)
                running.append((cell, _start(cell, folder, jobs)))
            ended = [pair for pair in running if pair[1].poll() is not None]
            running = [pair for pair in running if pair not in ended]
            for cell, process in ended:
                yield cell, _failure(process, folder, cell)
            time.sleep(0 if ended else _POLL_SECONDS)
    finally:
        for _, process in running:
            process.terminate()
            process.wait()


def _next(waiting: Sequence[Cell], running: Sequence[Cell]) -> Cell | None:
    """The first whose training no other process is at."""
    busy = {cell.training_name for cell in running} - {None}
    return next((cell for cell in waiting if cell.training_name not in busy), None)


def _start(cell: Cell, folder: Path, jobs: int) -> subprocess.Popen[str]:
    threads = max(1, (os.cpu_count() or 1) // jobs)
    with (folder / f"{cell.file_name}.log").open("w", encoding="utf-8") as log:
        module = "utad.evaluation.benchmark_cell"
        return subprocess.Popen(
            [sys.executable, "-m", module, json.dumps(asdict(cell)), str(folder / cell.file_name)],
            stdout=subprocess.DEVNULL,
            stderr=log,
            env={**os.environ, "OMP_NUM_THREADS": str(threads)},
            text=True,
        )


def _failure(process: subprocess.Popen[str], folder: Path, cell: Cell) -> str | None:
    log = folder / f"{cell.file_name}.log"
    if process.returncode == 0:
        log.unlink(missing_ok=True)
        return None
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    reason = lines[-1] if lines else f"the process ended with code {process.returncode}"
    return reason if process.returncode > 0 else f"killed by signal {-process.returncode}"


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
