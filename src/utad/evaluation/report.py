"""`metrics.json` and the Markdown tables."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utad.evaluation.evaluation import Evaluation
from utad.files import write_atomically

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
"""The columns of a table: where the value stands in an evaluation, and its heading."""


@dataclass(frozen=True)
class Result:
    """An evaluation and what it is of."""

    dataset: str
    category: str
    method: str
    seed: int
    evaluation: Evaluation


def write_metrics(path: Path, results: Iterable[Result]) -> None:
    """Writes evaluations nested by data set, category, method and seed, atomically."""
    nested: dict[str, Any] = {}
    for result in results:
        methods = nested.setdefault(result.dataset, {}).setdefault(result.category, {})
        methods.setdefault(result.method, {})[str(result.seed)] = result.evaluation.as_dict()
    text = json.dumps(nested, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def metrics_table(results: Sequence[Result]) -> str:
    """A Markdown table, one row a category and method.

    Several seeds give mean and standard deviation. Where several methods are compared on a category, the best
    value of a column is bold and the second best underlined.
    """
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        groups.setdefault((result.category, result.method), []).append(result)
    values = {
        key: {column: found for column in COLUMNS if (found := _values(group, column))} for key, group in groups.items()
    }
    columns = [column for column in COLUMNS if any(column in row for row in values.values())]
    lines = [_row(["category", "method", *(COLUMNS[column] for column in columns), "FPR", "recall", "ms/image"])]
    lines.append(_row(["---", "---", *["---:"] * (len(columns) + 3)]))
    for (category, method), group in groups.items():
        rivals = [row for (other, _), row in values.items() if other == category]
        cells = [_marked(values[category, method].get(column), column, rivals) for column in columns]
        rates = [
            _percent([r.evaluation.false_positive_rate for r in group]),
            _percent([r.evaluation.recall for r in group]),
        ]
        speed = f"{statistics.median(result.evaluation.ms_per_image for result in group):.0f}"
        lines.append(_row([category, method, *cells, *rates, speed]))
    return "\n".join(lines)


def _values(group: Sequence[Result], column: str) -> list[float]:
    part, name = column.split(".")
    found = [result.evaluation.as_dict().get(part, {}).get(name) for result in group]
    return [value for value in found if value is not None]


def _marked(values: list[float] | None, column: str, rivals: Sequence[Mapping[str, list[float]]]) -> str:
    if values is None:
        return "–"
    mean = statistics.fmean(values)
    text = f"{mean:.3f}"
    if len(values) > 1:
        text += f" ± {statistics.stdev(values):.3f}"
    means = sorted({round(statistics.fmean(row[column]), 3) for row in rivals if column in row}, reverse=True)
    if len(means) > 1 and round(mean, 3) == means[0]:
        return f"**{text}**"
    if len(means) > 2 and round(mean, 3) == means[1]:
        return f"<u>{text}</u>"
    return text


def _percent(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{100 * statistics.fmean(known):.1f} %" if known else "–"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
