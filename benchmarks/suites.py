"""Runs the committed comparisons, which docs/render.py puts into docs/benchmarks.md.

    python benchmarks/suites.py [NAME ...] [--real-root DIR] [--work runs/benchmarks]

Each is what `utad benchmark` does, with three seeds for every method, all cells at one commit. Takes hours on two
cores; interrupted, it goes on where it stopped when run again at the same commit.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
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
COMPARED = ("utad", "padim", "patchcore", "efficientad-s", "ae-l2")
PRESET = "fast"


@dataclass(frozen=True)
class Comparison:
    """One committed file of results: variants of methods on a suite; all of its categories if None."""

    suite: str
    variants: Sequence[Variant]
    categories: Sequence[str] | None = None
    share_training: bool = False

    def run(self, work: Path, root: Path | None) -> dict[str, Any]:
        """The document of `results.json`.

        Args:
            work: where finished cells are kept.
            root: of data that is not installed.
        """
        plan = Benchmark(
            suite_named(self.suite),
            self.variants,
            SEEDS,
            root=root if suite_named(self.suite).needs_root else None,
            categories=self.categories,
            preset=PRESET,
            share_training=self.share_training,
        )
        return run_benchmark(plan, work, report=show).document


def _ablation(name: str, suite: str) -> Comparison:
    return Comparison(suite, study_named(name).variants(PRESET), share_training=True)


SUITES = ("real", "elpv", "mnist-5k", "textures")
COMPARISONS = {
    **{suite: Comparison(suite, variants_of(COMPARED)) for suite in SUITES},
    **{f"restoration-{suite}": _ablation("ablation-restoration", suite) for suite in SUITES},
    "measurement-textures": _ablation("ablation-measurement", "textures"),
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
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    arguments = parser.parse_args(argv)
    unknown = sorted(set(arguments.names) - set(COMPARISONS))
    if unknown:
        parser.error(f"unknown comparison {', '.join(unknown)}: choose from {', '.join(COMPARISONS)}")
    at = commit()
    if at is None or at.endswith("-dirty"):
        parser.error("the tables name one commit: commit your changes, then run again")
    names = arguments.names or COMPARISONS
    if arguments.real_root is None and any(suite_named(COMPARISONS[name].suite).needs_root for name in names):
        parser.error("suite real needs --real-root, or name the comparisons that you want")
    for name in names:
        # A folder per commit: cells of two are never mixed.
        document = COMPARISONS[name].run(arguments.work / at[:10] / name, arguments.real_root)
        write_results(arguments.output / f"{name}.json", document)
    return 0


if __name__ == "__main__":
    sys.exit(main())
