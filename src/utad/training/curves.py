"""The curves of a stage, read back from `metrics.csv`."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np

from utad.training_record import Curve

MOST = 150
"""Points of a curve; of longer trainings neighbouring steps share one."""


def read_curves(path: Path, stage: str) -> dict[str, Curve]:
    """The terms of a stage by name, in the order of the file; empty where there is none.

    Args:
        path: of `metrics.csv`.
        stage: whose rows are read; a damaged row, or a value that is not finite, is passed over.
    """
    values: dict[str, list[tuple[int, float]]] = {}
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.reader(file):
            if len(row) == 4 and row[0] == stage and row[1].isdigit():
                value = _number(row[3])
                if math.isfinite(value):
                    values.setdefault(row[2], []).append((int(row[1]), value))
    return {term: thinned_curve(found) for term, found in values.items()}


def thinned_curve(values: list[tuple[int, float]]) -> Curve:
    """A curve through steps and their values, at least one, of at most `MOST` points."""
    steps, heights = np.array(sorted(values), np.float64).T
    starts = np.arange(min(len(steps), MOST)) * len(steps) // min(len(steps), MOST)
    counts = np.diff([*starts, len(steps)])
    return Curve(
        steps=np.add.reduceat(steps, starts) / counts,
        means=np.add.reduceat(heights, starts) / counts,
        lows=np.minimum.reduceat(heights, starts),
        highs=np.maximum.reduceat(heights, starts),
    )


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
