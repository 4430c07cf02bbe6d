"""`utad benchmark`: a suite, methods and seeds in, `results.json` and tables out."""

from __future__ import annotations

import csv
import io
import os
import platform
import statistics
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from utad.errors import ConfigError
from utad.evaluation.cell import Cell
from utad.evaluation.matrix import Progress, run_matrix, write_results
from utad.evaluation.methods import Variant, training_digest
from utad.evaluation.studies import Study
from utad.evaluation.suites import Suite
from utad.evaluation.tables import Row, comparison_table
from utad.files import write_atomically

_PACKAGES = ("utad", "torch", "torchvision", "timm", "scikit-learn", "scikit-image", "pytorch-lightning")


@dataclass(frozen=True)
class BenchmarkReport:
    """What a benchmark came to: the document of `results.json`, and its table."""

    document: dict[str, Any]
    table: str


def run_benchmark(
    suite: Suite,
    variants: Sequence[Variant],
    seeds: Sequence[int],
    output: Path,
    *,
    root: Path | None = None,
    categories: Sequence[str] | None = None,
    preset: str = "fast",
    limit: int | None = None,
    share_training: bool = False,
    jobs: int = 1,
    report: Callable[[Progress], None] | None = None,
) -> BenchmarkReport:
    """Runs the matrix and writes `results.json`, `table.md` and `table.csv`.

    Args:
        suite: the data.
        variants: the methods.
        seeds: of splits and methods.
        output: the folder; finished cells in it are not run again.
        root: of downloaded data.
        categories: of the suite; all if None.
        preset: of UTAD; the baselines see images of its size.
        limit: training and test images a category at the most; for trials.
        share_training: whether variants of UTAD that train alike train once, in `output/training/`; for ablations
            of the measurement. The seconds of a fit then mean little.
        jobs: processes at a time.
        report: called after every cell.

    Raises:
        ConfigError: unknown category, or the suite needs a root.
        DatasetError: if data is missing.
        OutputError: if the folder holds results of other settings.
    """
    pairs = suite.categories(root)
    if categories is not None:
        unknown = sorted(set(categories) - {category for _, category in pairs})
        if unknown:
            names = ", ".join(category for _, category in pairs)
            raise ConfigError(f"suite {suite.name} has no category {', '.join(unknown)}: choose from {names}")
        pairs = tuple(pair for pair in pairs if pair[1] in categories)
    cells = [
        Cell(
            suite=suite.name,
            dataset=dataset,
            category=category,
            method=variant.name,
            seed=seed,
            base=variant.base,
            preset=preset,
            overrides=variant.overrides,
            root=str(root.absolute()) if root is not None else None,
            limit=limit,
            training=training_digest(variant, preset, suite.size, seed) if share_training else None,
        )
        for dataset, category in pairs
        for variant in variants
        for seed in seeds
    ]
    outcome = run_matrix(cells, output, jobs=jobs, report=report)
    document = {
        "suite": suite.name,
        "protocol": suite.protocol,
        "licence": suite.licence,
        "preset": preset,
        "seeds": list(seeds),
        "jobs": jobs,
        "versions": {"python": platform.python_version()} | {name: version(name) for name in _PACKAGES},
        "machine": machine(),
        "commit": commit(),
        "cells": outcome.results,
        "failures": [{"cell": cell.file_name, "error": error} for cell, error in outcome.failures],
    }
    write_results(output / "results.json", document)
    rows = rows_of(document)
    table = comparison_table(rows)
    write_atomically(output / "table.md", lambda temporary: temporary.write_text(table + "\n", encoding="utf-8"))
    write_atomically(
        output / "table.csv", lambda temporary: temporary.write_text(csv_table(rows), encoding="utf-8", newline="")
    )
    return BenchmarkReport(document, table)


def write_study(study: Study, report: BenchmarkReport, output: Path) -> str:
    """Writes `study.md`, the table of a study beside the paper's own numbers, and returns it."""
    table = study.table(rows_of(report.document))
    write_atomically(output / "study.md", lambda temporary: temporary.write_text(table + "\n", encoding="utf-8"))
    return table


def rows_of(document: Mapping[str, Any]) -> list[Row]:
    """One row a category and method, values of all its seeds; methods with several categories get a mean row."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for result in document["cells"]:
        groups.setdefault((result["cell"]["category"], result["cell"]["method"]), []).append(result)
    rows = [
        Row(category, method, {key: values for key in _KEYS if (values := _values(group, key))})
        for (category, method), group in groups.items()
    ]
    methods = list(dict.fromkeys(row.method for row in rows))
    everywhere = {row.category for row in rows}
    if len(everywhere) > 1:
        for method in methods:
            own = [row for row in rows if row.method == method]
            if {row.category for row in own} == everywhere:
                rows.append(Row("mean", method, _mean_over_categories(own)))
    return rows


_KEYS = (
    *("image.auroc", "image.aupr", "image.f1_max"),
    *("pixel.auroc", "pixel.aupr", "pixel.aupro", "pixel.f1_max", "pixel.iou", "pixel.iou_oracle"),
    *("false_positive_rate", "recall", "ms_per_image", "fit_seconds", "peak_memory_mb", "parameters"),
)


def _values(group: Sequence[Mapping[str, Any]], key: str) -> list[float]:
    found = []
    for result in sorted(group, key=lambda item: item["cell"]["seed"]):
        place: Any = result if key in result else result["evaluation"]
        for part in key.split("."):
            place = place.get(part) if isinstance(place, Mapping) else None
        if place is not None:
            found.append(float(place))
    return found


def _mean_over_categories(rows: Sequence[Row]) -> dict[str, list[float]]:
    """Of each key that all rows have: the mean over categories, seed by seed."""
    keys = [key for key in _KEYS if all(key in row.values for row in rows)]
    means = {}
    for key in keys:
        seeds = min(len(row.values[key]) for row in rows)
        means[key] = [statistics.fmean(row.values[key][seed] for row in rows) for seed in range(seeds)]
    return means


def csv_table(rows: Sequence[Row]) -> str:
    """Mean and standard deviation of every value, one line a row."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["category", "method", *(f"{key} {what}" for key in _KEYS for what in ("mean", "std"))])
    for row in rows:
        cells: list[str] = []
        for key in _KEYS:
            values = row.values.get(key, [])
            cells.append(f"{statistics.fmean(values):.6g}" if values else "")
            cells.append(f"{statistics.stdev(values):.6g}" if len(values) > 1 else "")
        writer.writerow([row.category, row.method, *cells])
    return text.getvalue()


def machine() -> dict[str, Any]:
    """The processor, its cores and the system."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
        name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), name)
    return {"processor": name, "cores": os.cpu_count(), "system": platform.platform()}


def commit() -> str | None:
    """The commit of the working copy this runs from; None outside of one."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
