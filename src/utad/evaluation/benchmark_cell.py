"""One cell of a benchmark, a method on a category with a seed, in a process of its own.

`python -m utad.evaluation.benchmark_cell SPEC OUTPUT` is how the runner starts it: peak memory is the cell's alone, and
a cell that is killed takes nothing with it.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from utad.detector import UTAD
from utad.errors import UTADError
from utad.evaluation.evaluate import evaluate_method
from utad.evaluation.methods import (
    Method,
    build_method,
    departures_of,
    learns_from,
    learnt_parameters,
    predictor_of,
    seconds_per_step,
)
from utad.evaluation.provenance import commit
from utad.evaluation.suites import suite_named
from utad.files import write_atomically
from utad.run_folder import MODEL_NAME
from utad.types import Category

TRAININGS = "training"


@dataclass(frozen=True)
class Cell:
    """What is to be run.

    Attributes:
        suite: its name.
        dataset: of the suite.
        category: of the data set.
        method: the column of the table; `base` names the method that runs under it.
        seed: of split and method.
        base: one of `METHODS`, or `anomalib:` and a model there.
        preset: of UTAD.
        overrides: of UTAD.
        root: of downloaded data, as text.
        limit: training and test images at the most, each; None for all.
        training: name of the training that cells of one category and seed share; None to train alone.
    """

    suite: str
    dataset: str
    category: str
    method: str
    seed: int
    base: str
    preset: str = "fast"
    overrides: tuple[str, ...] = ()
    root: str | None = None
    limit: int | None = None
    training: str | None = None

    @property
    def file_name(self) -> str:
        """A name that no other cell of a run has."""
        return as_file_name(Path(self.dataset).name, self.category, self.method, str(self.seed)) + ".json"

    @property
    def training_name(self) -> str | None:
        """The folder of its training, if that is shared."""
        if self.training is None:
            return None
        return as_file_name(Path(self.dataset).name, self.category, str(self.seed), self.training)


def as_file_name(*parts: str) -> str:
    """Texts as one file name of letters, digits, points and dashes, joined by two underscores."""
    return "__".join("".join(c if c.isalnum() or c in "-." else "_" for c in part) for part in parts)


def open_cell(cell: Cell) -> Category:
    """The images of a cell, as many of them as its limit allows.

    Raises:
        ConfigError: if the suite needs a root.
        DatasetError: if the data is missing or inconsistent.
    """
    root = Path(cell.root) if cell.root is not None else None
    category = suite_named(cell.suite).open(cell.dataset, cell.category, root=root, seed=cell.seed)
    if cell.limit is None:
        return category
    return replace(category, train=_spread(category.train, cell.limit), test=_spread(category.test, cell.limit))


def method_of(cell: Cell) -> Method:
    """The method of a cell, not fitted.

    Raises:
        ConfigError: if a setting is wrong.
    """
    size = suite_named(cell.suite).size
    return build_method(cell.base, seed=cell.seed, size=size, preset=cell.preset, overrides=cell.overrides)


def fit_cell(cell: Cell, method: Method, category: Category, trainings: Path | None = None) -> None:
    """Fits the method of a cell on its category.

    Args:
        cell: what is to be run.
        method: of `method_of`.
        category: of `open_cell`.
        trainings: where trainings that cells share are kept.

    Raises:
        UTADError: whatever goes wrong.
    """
    if isinstance(method, UTAD) and trainings is not None and cell.training_name is not None:
        folder = trainings / cell.training_name
        method.fit(category, output=folder, resume=True, graph=False)
        (folder / MODEL_NAME).unlink()  # the next cell measures otherwise
    else:
        method.fit(category)


def run_cell(cell: Cell, trainings: Path | None = None) -> dict[str, Any]:
    """Fits and evaluates.

    Args:
        cell: what is to be run.
        trainings: where trainings that cells share are kept.

    Returns:
        The cell, its evaluation, seconds and peak memory of the fit, and of the whole, milliseconds of a batch of
        training, and what the method leaves out of its source.

    Raises:
        UTADError: whatever goes wrong.
    """
    category, method = open_cell(cell), method_of(cell)
    start = time.perf_counter()
    fit_cell(cell, method, category, trainings)
    fit_seconds, fit_memory = time.perf_counter() - start, _peak_memory_mb()
    evaluation = evaluate_method(predictor_of(method), category)
    departures, step = departures_of(method), seconds_per_step(method)
    return {
        "cell": asdict(cell),
        "commit": commit(),
        "n_train": len(category.train),
        "fit_seconds": round(fit_seconds, 2),
        "ms_per_step": round(1000 * step, 2) if step is not None else None,
        "fit_peak_memory_mb": round(fit_memory),
        "peak_memory_mb": round(_peak_memory_mb()),
        "learns_from": learns_from(method),
        "departures": asdict(departures) if departures is not None else None,
        "parameters": learnt_parameters(method),
        "evaluation": evaluation.as_dict(),
    }


def _spread(items: Any, limit: int) -> Any:
    """At most `limit` of the items, evenly from all of them, so that every kind stays."""
    count = len(items)
    if count <= limit:
        return items
    return tuple(items[round(i * (count - 1) / (limit - 1))] for i in range(limit)) if limit > 1 else items[:1]


def _peak_memory_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Kilobytes on Linux, bytes on macOS.
    return peak / (1024**2 if sys.platform == "darwin" else 1024)


def main() -> int:
    """Reads a cell from the first argument, runs it, and writes its result to the second."""
    specification, output = json.loads(sys.argv[1]), Path(sys.argv[2])
    specification["overrides"] = tuple(specification["overrides"])
    try:
        result = run_cell(Cell(**specification), output.parent.parent / TRAININGS)
    except UTADError as error:
        sys.stderr.write(f"{type(error).__name__}: {' '.join(str(error).split())}\n")
        return 1
    text = json.dumps(result, indent=1, allow_nan=False)
    write_atomically(output, lambda temporary: temporary.write_text(text, encoding="utf-8"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
