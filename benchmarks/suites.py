"""Runs the committed comparisons, which docs/render.py puts into docs/benchmarks.md.

    python benchmarks/suites.py [NAME ...] [--work runs/benchmarks]

Takes hours on two cores; interrupted, it goes on where it stopped when run again. Each comparison is what
`utad benchmark` does; methods whose fit takes under a minute run with three seeds, the others with one.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from utad.evaluation.benchmark import Benchmark, run_benchmark
from utad.evaluation.matrix import Progress, write_results
from utad.evaluation.methods import METHODS, variants_of
from utad.evaluation.suites import suite_named

QUICK = ("padim", "patchcore")
"""Their fit takes under a minute."""

SLOW = ("utad", "efficientad-s", "ae-l2")


@dataclass(frozen=True)
class Comparison:
    """One committed file of results.

    Attributes:
        suite: the data.
        methods: with one seed.
        quick: with three.
        categories: of the suite; all if None.
    """

    suite: str
    methods: Sequence[str]
    quick: Sequence[str] = ()
    categories: Sequence[str] | None = None

    def run(self, work: Path) -> dict[str, object]:
        """Both parts, as one document of `results.json`."""
        suite = suite_named(self.suite)
        parts = [
            run_benchmark(Benchmark(suite, variants_of(methods), seeds, categories=self.categories), work, report=show)
            for methods, seeds in ((self.methods, (0,)), (self.quick, (0, 1, 2)))
            if methods
        ]
        document = dict(parts[0].document)
        for key in ("cells", "failures"):
            document[key] = [item for part in parts for item in part.document[key]]
        document["seeds"] = sorted({seed for part in parts for seed in part.document["seeds"]})
        return document


COMPARISONS = {
    "textures": Comparison("textures", SLOW, QUICK),
    "elpv": Comparison("elpv", SLOW, QUICK),
    "mnist-5k": Comparison("mnist-5k", SLOW, QUICK, categories=("0", "1", "2", "3", "4")),
    "brick-all": Comparison("textures", METHODS, categories=("brick",)),
}


def show(progress: Progress) -> None:
    """One line a cell."""
    cell = progress.cell
    print(progress.done, "/", progress.total, cell.category, cell.method, cell.seed, progress.error or "", flush=True)


def main() -> int:
    """Runs the named comparisons and writes benchmarks/results/NAME.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(COMPARISONS)}; all if none is given")
    parser.add_argument("--work", type=Path, default=Path("runs/benchmarks"), help="where finished cells are kept")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.names) - set(COMPARISONS))
    if unknown:
        parser.error(f"unknown comparison {', '.join(unknown)}: choose from {', '.join(COMPARISONS)}")
    results = Path(__file__).parent / "results"
    for name in arguments.names or COMPARISONS:
        comparison = COMPARISONS[name]
        write_results(results / f"{name}.json", comparison.run(arguments.work / comparison.suite))
    return 0


if __name__ == "__main__":
    sys.exit(main())
