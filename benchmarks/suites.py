"""Runs the committed comparisons, which docs/render.py puts into docs/benchmarks.md.

    python benchmarks/suites.py [NAME ...] [--again METHOD,METHOD] [--work runs/benchmarks]

Takes hours on two cores; interrupted, it goes on where it stopped when run again. Each comparison is what
`utad benchmark` does; methods whose fit takes under a minute run with three seeds, the others with one. After a change
of one method, `--again` runs that one and keeps the committed cells of the others, each of which names its commit.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utad.evaluation.benchmark import Benchmark, run_benchmark
from utad.evaluation.benchmark_runner import Progress, write_results
from utad.evaluation.methods import METHODS, variants_of
from utad.evaluation.suites import suite_named

QUICK = ("padim", "patchcore")
"""Their fit takes under a minute."""

SLOW = ("efficientad-s", "ae-l2")


@dataclass(frozen=True)
class Part:
    """Methods that run on the same categories with the same seeds; all categories of the suite if None."""

    methods: Sequence[str]
    seeds: Sequence[int] = (0,)
    categories: Sequence[str] | None = None


@dataclass(frozen=True)
class Comparison:
    """One committed file of results: a suite, and the parts it is made of."""

    suite: str
    parts: Sequence[Part]

    def run(self, work: Path, earlier: dict[str, Any], again: Collection[str] | None) -> dict[str, Any]:
        """All parts, as one document of `results.json`.

        Args:
            work: where finished cells are kept.
            earlier: the committed document, whose cells of other methods are taken over.
            again: the methods to run anew; all if None. Cells of other methods run where they are missing.
        """
        suite = suite_named(self.suite)
        kept = {
            _key(item): item
            for item in earlier.get("cells", ())
            if again is not None and item["cell"]["method"] not in again
        }
        documents = []
        for part in self.parts:
            everything = Benchmark(suite, variants_of(part.methods), part.seeds, categories=part.categories)
            # A method, its categories, its seeds: those with a cell that is not kept.
            missing = [cell for cell in everything.cells() if (cell.category, cell.method, cell.seed) not in kept]
            for method in dict.fromkeys(cell.method for cell in missing):
                categories = tuple(dict.fromkeys(cell.category for cell in missing if cell.method == method))
                plan = Benchmark(suite, variants_of([method]), part.seeds, categories=categories)
                documents.append(run_benchmark(plan, work, report=show).document)
        document = dict(documents[0])
        document["failures"] = [item for part in documents for item in part["failures"]]
        fresh = {_key(item): item for part in documents for item in part["cells"]}
        document["cells"] = [*fresh.values(), *(item for key, item in kept.items() if key not in fresh)]
        document["seeds"] = sorted({item["cell"]["seed"] for item in document["cells"]})
        return document


def _key(item: dict[str, Any]) -> tuple[str, str, int]:
    cell = item["cell"]
    return cell["category"], cell["method"], cell["seed"]


FIRST_DIGITS = ("0", "1", "2", "3", "4")
"""The slow baselines run on these alone, the quick ones on the others with one seed."""

OTHER_DIGITS = ("5", "6", "7", "8", "9")

COMPARISONS = {
    "textures": Comparison("textures", (Part(("utad",)), Part(QUICK, (0, 1, 2)), Part(SLOW))),
    "elpv": Comparison("elpv", (Part(("utad",)), Part(QUICK, (0, 1, 2)), Part(SLOW))),
    "mnist-5k": Comparison(
        "mnist-5k",
        (
            Part(("utad",)),
            Part(QUICK, (0, 1, 2), FIRST_DIGITS),
            Part(QUICK, categories=OTHER_DIGITS),
            Part(SLOW, categories=FIRST_DIGITS),
        ),
    ),
    "brick-all": Comparison("textures", (Part(METHODS, categories=("brick",)),)),
}


def show(progress: Progress) -> None:
    """One line per cell."""
    cell = progress.cell
    print(progress.done, "/", progress.total, cell.category, cell.method, cell.seed, progress.error or "", flush=True)


def main() -> int:
    """Runs the named comparisons and writes benchmarks/results/NAME.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(COMPARISONS)}; all if none is given")
    parser.add_argument("--again", metavar="METHODS", help="run these anew, and keep the committed cells of the others")
    parser.add_argument("--work", type=Path, default=Path("runs/benchmarks"), help="where finished cells are kept")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.names) - set(COMPARISONS))
    if unknown:
        parser.error(f"unknown comparison {', '.join(unknown)}: choose from {', '.join(COMPARISONS)}")
    again = arguments.again.split(",") if arguments.again else None
    for name in arguments.names or COMPARISONS:
        comparison, file = COMPARISONS[name], Path(__file__).parent / "results" / f"{name}.json"
        earlier = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        write_results(file, comparison.run(arguments.work / comparison.suite, earlier, again))
    return 0


if __name__ == "__main__":
    sys.exit(main())
