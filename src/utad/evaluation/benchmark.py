"""`utad benchmark`: a suite, methods and seeds in, `results.json` and tables out."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from utad.baselines.departures import Departures, from_json
from utad.errors import ConfigError, noted
from utad.evaluation.benchmark_cell import TRAININGS, Cell
from utad.evaluation.benchmark_runner import CELLS, Progress, as_json, run_matrix, stored_result
from utad.evaluation.differences import Difference, difference_table, differences
from utad.evaluation.methods import departures_named, refuse_region_beside_others, training_digest
from utad.evaluation.provenance import commit, machine, versions
from utad.evaluation.studies import Study
from utad.evaluation.suites import Suite
from utad.evaluation.tables import COLUMNS, KEYS, Row, comparison_table, row_of, with_departures
from utad.evaluation.variant import Variant
from utad.output_folder import output_folder

PURPOSE = "benchmark"
PAGE = "report.html"
_FILES = ("results.json", "table.md", "table.csv", "leads.md", "study.md", PAGE, CELLS, TRAININGS)
LEADER, LEADS = "utad", ("image.auroc", "pixel.aupro")


@dataclass(frozen=True)
class BenchmarkReport:
    """What a benchmark came to.

    Attributes:
        document: of `results.json`.
        table: every category and method, Markdown.
        leads: how far utad is ahead of the best of the others, Markdown; empty unless both are there.
    """

    document: dict[str, Any]
    table: str
    leads: str


@dataclass(frozen=True)
class Benchmark:
    """What is to be run: variants x categories x seeds.

    Attributes:
        suite: the data.
        variants: the methods.
        seeds: of splits and methods.
        root: of downloaded data.
        categories: of the suite; all if None.
        preset: of UTAD; the baselines see images of its size.
        limit: training and test images per category at most; for trials.
        share_training: whether variants of UTAD that train alike train once, in `training/` of the output; for
            ablations of the measurement. The seconds of a fit then mean little.
    """

    suite: Suite
    variants: Sequence[Variant]
    seeds: Sequence[int] = (0,)
    root: Path | None = None
    categories: Sequence[str] | None = None
    preset: str = "fast"
    limit: int | None = None
    share_training: bool = False

    def cells(self) -> list[Cell]:
        """One a category, variant and seed.

        Raises:
            ConfigError: unknown category, or the suite needs a root; a region of interest beside methods without one.
            DatasetError: if data is missing.
        """
        refuse_region_beside_others(self.variants, self.preset)
        return [
            Cell(
                suite=self.suite.name,
                dataset=dataset,
                category=category,
                method=variant.name,
                seed=seed,
                base=variant.base,
                preset=self.preset,
                overrides=variant.overrides,
                root=str(self.root.absolute()) if self.root is not None else None,
                limit=self.limit,
                training=training_digest(variant, self.preset, self.suite.size, seed) if self.share_training else None,
            )
            for dataset, category in self._chosen()
            for variant in self.variants
            for seed in self.seeds
        ]

    def _chosen(self) -> tuple[tuple[str, str], ...]:
        pairs = self.suite.categories(self.root)
        if self.categories is None:
            return pairs
        unknown = sorted(set(self.categories) - {category for _, category in pairs})
        if unknown:
            names = ", ".join(category for _, category in pairs)
            raise ConfigError(f"suite {self.suite.name} has no category {', '.join(unknown)}: choose from {names}")
        return tuple(pair for pair in pairs if pair[1] in self.categories)


def run_benchmark(
    benchmark: Benchmark,
    output: Path,
    *,
    jobs: int = 1,
    report: Callable[[Progress], None] | None = None,
) -> BenchmarkReport:
    """Runs the matrix and writes `results.json`, `table.md`, `table.csv` and, with utad and others, `leads.md`.

    Args:
        benchmark: what is to be run.
        output: the folder; finished cells in it are not run again.
        jobs: processes at a time; 0 runs all in this one.
        report: called after every cell.

    Raises:
        ConfigError: unknown category, or the suite needs a root.
        DatasetError: if data is missing.
        OutputError: if the folder holds results of other settings or files that are not ours where some are to be
            written, overlaps the root, or is taken by another process.
    """
    cells = benchmark.cells()
    apart_from = (benchmark.root,) if benchmark.root is not None else ()
    with output_folder(output, PURPOSE, apart_from=apart_from) as folder:
        if any(stored_result(output, cell) is not None for cell in cells):
            folder.adopt(_FILES)  # of an earlier version, which kept no record
        folder.refuse_others(_FILES)
        folder.own((CELLS, TRAININGS))
        with noted(lambda: _kept(output, cells)):
            outcome = run_matrix(cells, output, jobs=jobs, report=report)
        document = {
            "suite": benchmark.suite.name,
            "protocol": benchmark.suite.protocol,
            "anomalies": benchmark.suite.anomalies,
            "licence": benchmark.suite.licence,
            "preset": benchmark.preset,
            "seeds": list(benchmark.seeds),
            "jobs": jobs,
            "versions": versions(),
            "machine": machine(),
            "commit": commit(),
            "cells": outcome.results,
            "failures": [{"cell": cell.file_name, "error": error} for cell, error in outcome.failures],
        }
        rows = rows_of(document)
        table, leads = comparison_table(rows), lead_tables(rows, benchmark.suite.anomalies)
        folder.write_text("results.json", as_json(document))
        folder.write_text("table.md", table + "\n")
        folder.write_text("table.csv", csv_table(rows))
        if leads:
            folder.write_text("leads.md", leads + "\n")
    return BenchmarkReport(document, table, leads)


def _kept(output: Path, cells: Sequence[Cell]) -> str:
    done = sum(stored_result(output, cell) is not None for cell in cells)
    return f"{done} of {len(cells)} cells are done and kept in {output / CELLS}; the same command runs the rest"


def lead_tables(rows: Sequence[Row], anomalies: str) -> str:
    """How far utad is ahead of the best of all other methods, a Markdown table for each key of `LEADS` that rows have.

    Args:
        rows: of `rows_of`.
        anomalies: what is anomalous in all of them.
    """
    found = leads_of(rows)
    tables = "\n\n".join(
        f"{COLUMNS[key]} over the best of the others:\n\n{difference_table({anomalies: leads})}"
        for key, leads in found.items()
    )
    named = {lead.rival for leads in found.values() for lead in leads}
    return with_departures(tables, [row for row in rows if row.shown in named])


def leads_of(rows: Sequence[Row]) -> dict[str, list[Difference]]:
    """How far utad is ahead of the best of all other methods, for each key of `LEADS` that rows have.

    Variants of utad itself are no other methods.
    """
    rivals = sorted({row.method for row in rows if (row.base or row.method) != LEADER})
    found = {key: differences(rows, key, LEADER, rivals) for key in LEADS}
    return {key: leads for key, leads in found.items() if leads}


def write_study(study: Study, report: BenchmarkReport, output: Path) -> str:
    """Writes `study.md`, the table of a study beside the paper's own numbers, and returns it."""
    table = study.table(rows_of(report.document))
    write_beside(output, "study.md", table + "\n")
    return table


def write_beside(output: Path, name: str, text: str) -> None:
    """Writes a further text file to the folder of a finished benchmark."""
    with output_folder(output, PURPOSE) as folder:
        folder.write_text(name, text)


def rows_of(document: Mapping[str, Any]) -> list[Row]:
    """One row per category and method, values of all its seeds; methods with several categories get a mean row.

    Results of earlier versions do not say what their methods leave out: the registry does, for the methods of today.
    """
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for result in sorted(document["cells"], key=lambda item: item["cell"]["seed"]):
        beside = {**result, **result["evaluation"]}
        groups.setdefault((result["cell"]["category"], result["cell"]["method"]), []).append(beside)
    rows = [
        replace(row_of(category, method, group, _departures(group[0])), base=_base(group[0]))
        for (category, method), group in groups.items()
    ]
    methods = list(dict.fromkeys(row.method for row in rows))
    everywhere = {row.category for row in rows}
    if len(everywhere) > 1:
        for method in methods:
            own = [row for row in rows if row.method == method]
            if {row.category for row in own} == everywhere:
                rows.append(replace(own[0], category="mean", values=_mean_over_categories(own)))
    return rows


def _base(result: Mapping[str, Any]) -> str:
    return str(result["cell"].get("base", result["cell"]["method"]))


def _departures(result: Mapping[str, Any]) -> Departures | None:
    if "departures" not in result:
        return departures_named(_base(result))
    return from_json(result["departures"]) if result["departures"] is not None else None


def _mean_over_categories(rows: Sequence[Row]) -> dict[str, list[float]]:
    """Of each key that all rows have: the mean over categories, seed by seed."""
    keys = [key for key in KEYS if all(key in row.values for row in rows)]
    means = {}
    for key in keys:
        seeds = min(len(row.values[key]) for row in rows)
        means[key] = [statistics.fmean(row.values[key][seed] for row in rows) for seed in range(seeds)]
    return means


def csv_table(rows: Sequence[Row]) -> str:
    """Mean and standard deviation of every value, one line a row."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["category", "method", *(f"{key} {what}" for key in KEYS for what in ("mean", "std"))])
    for row in rows:
        cells: list[str] = []
        for key in KEYS:
            values = row.values.get(key, [])
            cells.append(f"{statistics.fmean(values):.6g}" if values else "")
            cells.append(f"{statistics.stdev(values):.6g}" if len(values) > 1 else "")
        writer.writerow([row.category, row.method, *cells])
    return text.getvalue()
