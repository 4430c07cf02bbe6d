"""`metrics.json`, and evaluations as rows of a table."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utad.evaluation.evaluation import Evaluation
from utad.evaluation.tables import COLUMNS, Row, comparison_table
from utad.files import write_atomically


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
    return comparison_table([Row(*key, values_of(group)) for key, group in groups.items()])


def values_of(results: Sequence[Result]) -> dict[str, list[float]]:
    """Of each key that is there: the values of all results."""
    values: dict[str, list[float]] = {}
    for result in results:
        plain = result.evaluation.as_dict()
        found = {key: plain.get(key.split(".")[0], {}).get(key.split(".")[1]) for key in COLUMNS}
        found |= {key: plain.get(key) for key in ("false_positive_rate", "recall", "ms_per_image")}
        for key, value in found.items():
            if value is not None:
                values.setdefault(key, []).append(value)
    return values
