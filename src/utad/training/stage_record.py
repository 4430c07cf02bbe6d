"""How a stage went, from what its training left on disk and in its snapshots."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from utad.training.curves import read_curves
from utad.training.snapshots import levels
from utad.training.stage import Stage
from utad.training_record import StageRecord


def stage_record(stage: Stage, metrics: Path, taken: Mapping[int, Tensor] | None) -> StageRecord:
    """The record of a stage that has been trained.

    Args:
        stage: whose images the snapshots are of.
        metrics: `metrics.csv` of the run.
        taken: the snapshots, as `Snapshots` takes them; None where no pictures are to be kept.
    """
    pictures = {} if taken is None else {step: _pixels(taken[step]) for step in sorted(taken)}
    return StageRecord(
        name=stage.name,
        steps=stage.total_steps,
        curves=read_curves(metrics, stage.name),
        shows=stage.shows,
        examples=_pixels(levels(stage.examples())) if pictures else np.empty((0, 1, 1, 3), np.uint8),
        example_rows=tuple(stage.example_rows().tolist()) if pictures else (),
        snapshots=pictures,
    )


def _pixels(pictures: Tensor) -> NDArray[np.uint8]:
    """`(E, C, s, s)` uint8, C 1 or 3, to `(E, s, s, 3)`."""
    found: NDArray[np.uint8] = pictures.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).contiguous().numpy()
    return found
