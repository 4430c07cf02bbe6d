"""The page of a benchmark, one file: its tables, which can be filtered, and what they rest on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from utad.evaluation.benchmark import leads_of, rows_of
from utad.evaluation.differences import summary_of
from utad.evaluation.studies import Study
from utad.evaluation.tables import (
    COLUMNS,
    Cell,
    Row,
    comparison_cells,
    comparison_headings,
    departure_lines,
    row_of,
)
from utad.report.rendering import render, text


@dataclass(frozen=True)
class Line:
    """A line of a table.

    Attributes:
        category: as text.
        method: as tables show it.
        cells: the values.
        seed: as text; empty for the mean over seeds.
    """

    category: str
    method: str
    cells: Sequence[Cell]
    seed: str = ""


def benchmark_page(document: Mapping[str, Any], study: Study | None = None) -> str:
    """The page.

    Args:
        document: of `results.json`.
        study: that the benchmark is of; None for a suite.
    """
    rows = _together(rows_of(document))
    leads = leads_of(rows)
    return render(
        "benchmark.html",
        title=text(study.name if study is not None else document["suite"]),
        document=document,
        headings=list(comparison_headings(rows).values()),
        lines=[Line(text(row.category), text(row.shown), comparison_cells(row, rows)) for row in rows],
        seeds=_by_seed(document, rows) if len(document["seeds"]) > 1 else [],
        departures=[text(line) for line in departure_lines(rows)],
        leads=[(COLUMNS[key], found, summary_of(found)) for key, found in leads.items()],
        study=study.cells(rows) if study is not None else [],
        words=study.words(rows) if study is not None else "",
        failures=[(text(failure["cell"]), text(failure["error"])) for failure in document["failures"]],
        facts=_facts(document),
    )


def _together(rows: Sequence[Row]) -> list[Row]:
    """The rows of a category one below the other, the categories in the order in which they come first."""
    order = list(dict.fromkeys(row.category for row in rows))
    return sorted(rows, key=lambda row: order.index(row.category))


def _by_seed(document: Mapping[str, Any], rows: Sequence[Row]) -> list[Line]:
    """A line for every result, in the columns of `rows`."""
    shown = {(row.category, row.method): row.shown for row in rows}
    lines = []
    for result in document["cells"]:
        category, method, seed = (result["cell"][key] for key in ("category", "method", "seed"))
        row = row_of(category, method, [{**result, **result["evaluation"]}])
        cells = comparison_cells(row, rows)
        lines.append(Line(text(category), text(shown[category, method]), cells, str(seed)))
    order = {line: position for position, line in enumerate((text(row.category), text(row.shown)) for row in rows)}
    return sorted(lines, key=lambda line: (order[line.category, line.method], int(line.seed)))


def _facts(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the results rest on, by name."""
    # Results of earlier versions lack some.
    plain = {
        "split": "protocol",
        "anomalies": "anomalies",
        "licence of the images": "licence",
        "preset of utad": "preset",
        "processes at a time": "jobs",
        "commit": "commit",
    }
    named = {name: document.get(key) for name, key in plain.items()}
    named |= {"seeds": ", ".join(map(str, document["seeds"])), **document["versions"], **document["machine"]}
    return [(name, text(str(value))) for name, value in named.items() if value is not None]
