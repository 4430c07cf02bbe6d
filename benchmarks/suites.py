"""Runs the committed comparisons, which docs/render.py puts into docs/benchmarks.md.

    python benchmarks/suites.py [NAME ...] [--real-root DIR] [--work runs/benchmarks] [--only VARIANT,...]
        [--without VARIANT,...] [--jobs N]

Each is what `utad benchmark` does, with three seeds for every method, all cells at one commit. Takes hours on two
cores; interrupted, it goes on where it stopped when run again at the same commit. With `--only`, the cells of these
variants are run and kept, and the results are written by the run that has no cell left. With `--without`, the tables
have no rows of these variants.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from utad.evaluation.benchmark import Benchmark, run_benchmark
from utad.evaluation.benchmark_runner import Progress, write_results
from utad.evaluation.methods import METHODS, variants_of
from utad.evaluation.provenance import commit
from utad.evaluation.studies import study_named
from utad.evaluation.suites import suite_named
from utad.evaluation.variant import Variant

SEEDS = (0, 1, 2)
COMPARED = ("padim", "patchcore", "efficientad-s", "ae-l2")
PRESET = "fast"


@dataclass(frozen=True)
class Comparison:
    """One committed file of results: variants of methods on a suite; all of its categories if None."""

    suite: str
    variants: Sequence[Variant]
    categories: Sequence[str] | None = None

    def run(self, work: Path, root: Path | None, *, only: Collection[str] = (), jobs: int = 1) -> dict[str, Any] | None:
        """The document of `results.json`; None while variants are left that `only` does not name.

        Args:
            work: where finished cells are kept.
            root: of data that is not installed.
            only: names of the variants that are run now; all if empty.
            jobs: cells at a time.
        """
        plan = Benchmark(
            suite_named(self.suite),
            [variant for variant in self.variants if not only or variant.name in only],
            SEEDS,
            root=root if suite_named(self.suite).needs_root else None,
            categories=self.categories,
            preset=PRESET,
            share_training=True,  # variants of utad whose networks train alike train once
        )
        document = run_benchmark(plan, work, report=show, jobs=jobs).document
        return portable(document) if len(plan.variants) == len(self.variants) else None


def portable(document: dict[str, Any]) -> dict[str, Any]:
    """The results without the place that the data had on this machine: a suite with a root is named instead."""
    cells = [
        result if result["cell"].get("root") is None else {**result, "cell": _without_root(result["cell"])}
        for result in document["cells"]
    ]
    return {**document, "cells": cells}


def _without_root(cell: dict[str, Any]) -> dict[str, Any]:
    return {**cell, "dataset": cell["suite"], "root": None}


def _study(name: str) -> tuple[Variant, ...]:
    return study_named(name).variants(PRESET)


_DEFAULT, *_RESTORATIONS = _study("ablation-restoration")
_BESIDE = (replace(_DEFAULT, name="utad"), *_RESTORATIONS, *variants_of(COMPARED))
"""The default, without what the restoration adds, without training, and the compared methods: on the same images."""

COMPARISONS = {
    **{suite: Comparison(suite, _BESIDE) for suite in ("real", "elpv", "mnist-5k", "textures")},
    "measurement-textures": Comparison("textures", _study("ablation-measurement")),
    "brick-all": Comparison("textures", variants_of(METHODS), ("brick",)),
}


def show(progress: Progress) -> None:
    """One line per cell."""
    cell = progress.cell
    print(progress.done, "/", progress.total, cell.category, cell.method, cell.seed, progress.error or "", flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the named comparisons and writes benchmarks/results/NAME.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(COMPARISONS)}; all if none is given")
    parser.add_argument("--real-root", type=Path, metavar="DIR", help="the categories of suite real")
    parser.add_argument("--work", type=Path, default=Path("runs/benchmarks"), help="where finished cells are kept")
    parser.add_argument("--only", default="", metavar="VARIANT,...", help="run the cells of these variants now")
    parser.add_argument("--without", default="", metavar="VARIANT,...", help="leave these out of the tables")
    parser.add_argument("--jobs", type=int, default=1, help="cells at a time")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    arguments = parser.parse_args(argv)
    unknown = sorted(set(arguments.names) - set(COMPARISONS))
    if unknown:
        parser.error(f"unknown comparison {', '.join(unknown)}: choose from {', '.join(COMPARISONS)}")
    only, without = (tuple(filter(None, names.split(","))) for names in (arguments.only, arguments.without))
    known = {variant.name for comparison in COMPARISONS.values() for variant in comparison.variants}
    if strange := sorted({*only, *without} - known):
        parser.error(f"unknown variant {', '.join(strange)}: choose from {', '.join(sorted(known))}")
    at = commit()
    if at is None or at.endswith("-dirty"):
        parser.error("the tables name one commit: commit your changes, then run again")
    names = arguments.names or COMPARISONS
    if arguments.real_root is None and any(suite_named(COMPARISONS[name].suite).needs_root for name in names):
        parser.error("suite real needs --real-root, or name the comparisons that you want")
    for name in names:
        # A folder per commit: cells of two are never mixed.
        kept = [variant for variant in COMPARISONS[name].variants if variant.name not in without]
        document = replace(COMPARISONS[name], variants=kept).run(
            arguments.work / at[:10] / name, arguments.real_root, only=only, jobs=arguments.jobs
        )
        if document is not None:
            write_results(arguments.output / f"{name}.json", document)
    return 0


if __name__ == "__main__":
    sys.exit(main())
