"""Markdown tables that compare methods: mean and spread, the best bold, the second underlined, departures below."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from utad.baselines.departures import Departures

COLUMNS: Mapping[str, str] = {
    "image.auroc": "image AUROC",
    "image.aupr": "image AUPR",
    "image.f1_max": "image F1-max",
    "pixel.auroc": "pixel AUROC",
    "pixel.aupr": "pixel AUPR",
    "pixel.aupro": "AUPRO",
    "pixel.f1_max": "pixel F1-max",
    "pixel.iou": "IoU",
    "pixel.iou_oracle": "IoU, oracle threshold",
}
"""The columns that are compared, higher being better, and their headings."""

_PLAIN: Mapping[str, tuple[str, float, str]] = {
    "false_positive_rate": ("FPR", 100.0, " %"),
    "recall": ("recall", 100.0, " %"),
    "recall_oracle": ("recall at exactly 1 % FPR (oracle)", 100.0, " %"),
    "masked_normals": ("normal images with a mask", 100.0, " %"),
    "ms_per_image": ("ms/image", 1.0, ""),
    "fit_seconds": ("fit, s", 1.0, ""),
    "ms_per_step": ("ms/step of training", 1.0, ""),
    "peak_memory_mb": ("memory, MB", 1.0, ""),
}


@dataclass(frozen=True)
class Row:
    """A category and method, and the values of each key over seeds.

    Attributes:
        category: of the data.
        method: the column of the benchmark.
        values: one per seed.
        departures: of the method from its source; None if it is none of the compared ones.
        base: one of `METHODS` that the column runs; the column's own name unless given.
    """

    category: str
    method: str
    values: Mapping[str, Sequence[float]]
    departures: Departures | None = None
    base: str = ""

    @property
    def shown(self) -> str:
        """The method's name with the mark of what is left out."""
        return self.departures.marked(self.method) if self.departures is not None else self.method


KEYS = (*COLUMNS, *_PLAIN, "parameters")
"""Every value that a row may hold, by its path in `Evaluation.as_dict()` or beside it."""


def row_of(
    category: str, method: str, results: Sequence[Mapping[str, Any]], departures: Departures | None = None
) -> Row:
    """A row of the values that are there, one per result.

    Args:
        category: of all results.
        method: of all results.
        results: one per seed: `Evaluation.as_dict()`, and what stands beside it.
        departures: of the method from its source.
    """
    found = {key: [value for result in results if (value := value_at(result, key)) is not None] for key in KEYS}
    return Row(category, method, {key: values for key, values in found.items() if values}, departures)


def value_at(result: Mapping[str, Any], key: str) -> float | None:
    """The value of a key of `KEYS` in `Evaluation.as_dict()`; None where it is lacking."""
    found: Any = result
    for part in key.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return None if found is None else float(found)


@dataclass(frozen=True)
class Cell:
    """A value in a table.

    Attributes:
        text: as it is shown.
        rank: 1 for the best of its category, 2 for the second; 0 for the others and where nothing is compared.
    """

    text: str
    rank: int = 0

    def __str__(self) -> str:
        """As Markdown: the best bold, the second underlined."""
        return {1: f"**{self.text}**", 2: f"<u>{self.text}</u>"}.get(self.rank, self.text)


def comparison_headings(rows: Sequence[Row]) -> dict[str, str]:
    """The headings of the values that some of the rows have, by key."""
    headings = {**COLUMNS, **{key: heading for key, (heading, _, _) in _PLAIN.items()}}
    return {key: heading for key, heading in headings.items() if any(key in row.values for row in rows)}


def comparison_cells(row: Row, rows: Sequence[Row]) -> list[Cell]:
    """The values of a row below `comparison_headings(rows)`, marked among the rows of its category."""
    rivals = [rival.values for rival in rows if rival.category == row.category]
    return [
        _marked(row.values.get(key), key, rivals) if key in COLUMNS else Cell(_plain(row.values.get(key), key))
        for key in comparison_headings(rows)
    ]


def comparison_table(rows: Sequence[Row]) -> str:
    """A Markdown table, one line per row; what no row has is no column. Departures from the sources stand below it."""
    headings = comparison_headings(rows)
    lines = [
        markdown_line(["category", "method", *headings.values()]),
        markdown_line(["---", "---", *["---:"] * len(headings)]),
        *(markdown_line([row.category, row.shown, *map(str, comparison_cells(row, rows))]) for row in rows),
    ]
    return with_departures("\n".join(lines), rows)


def with_departures(table: str, rows: Iterable[Row]) -> str:
    """A table and below it, as a list, what the methods of its rows leave out of their sources, if any do."""
    items = [f"- {line}" for line in departure_lines(rows)]
    return "\n".join([table, "", "What the methods here leave out of their sources:", "", *items]) if items else table


def departure_lines(rows: Iterable[Row]) -> list[str]:
    """What the methods of rows leave out of their sources, a line for each source."""
    methods: dict[Departures, dict[str, None]] = {}
    for row in rows:
        if row.departures is not None:
            methods.setdefault(row.departures, {})[row.shown] = None
    return [f"{', '.join(names)}: {departures.sentence()}" for departures, names in methods.items()]


def _marked(values: Sequence[float] | None, key: str, rivals: Sequence[Mapping[str, Sequence[float]]]) -> Cell:
    if not values:
        return Cell("–")
    mean = statistics.fmean(values)
    text = mean_and_spread(values)
    # As they are shown: what looks equal is marked alike.
    means = sorted({round(statistics.fmean(row[key]), 3) for row in rivals if row.get(key)}, reverse=True)
    if len(means) > 1 and round(mean, 3) == means[0]:
        return Cell(text, 1)
    if len(means) > 2 and round(mean, 3) == means[1]:
        return Cell(text, 2)
    return Cell(text)


def mean_and_spread(values: Sequence[float]) -> str:
    """The mean of values over seeds, at least one, and their standard deviation if there are several."""
    spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.3f}{spread}"


def _plain(values: Sequence[float] | None, key: str) -> str:
    if not values:
        return "–"
    _, factor, unit = _PLAIN[key]
    value = factor * statistics.fmean(values)
    return f"{value:.1f}{unit}" if unit else f"{value:.0f}"


def markdown_line(values: Iterable[str]) -> str:
    """One row of a Markdown table."""
    return f"| {' | '.join(values)} |"
