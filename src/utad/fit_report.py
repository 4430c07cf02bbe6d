"""What fitting came to; without what fitting imports."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from utad.training_record import TrainingRecord


@dataclass(frozen=True)
class UnusualImage:
    """One of the training images with the highest scores.

    Attributes:
        name: of its sample.
        score: normalised, by statistics of the others.
        outlier: whether it lies beyond what the others let one expect.
    """

    name: str
    score: float
    outlier: bool


@dataclass(frozen=True)
class FitReport:
    """What `UTAD.fit` came to.

    Attributes:
        n_images: normal images used.
        n_held_out: of these, left out of the training of the networks.
        n_skipped: damaged images left out altogether.
        seconds: from the first file to the model, the exported graph included.
        stage_seconds: of each network's training.
        unusual: the training images with the highest scores, the highest first: at least five, and all outliers.
        model: the file written, if an output folder was given.
        record: curves, pictures and scores, for the report of the training.
        n_tiles: that the networks learnt from; None where images are not cut into tiles.
    """

    n_images: int
    n_held_out: int
    n_skipped: int
    seconds: float
    stage_seconds: dict[str, float]
    unusual: tuple[UnusualImage, ...]
    model: Path | None
    record: TrainingRecord
    n_tiles: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values, without the path and the record, and without what there is none of."""
        left_out = {"model", "record"} | ({"n_tiles"} if self.n_tiles is None else set())
        values = {one.name: getattr(self, one.name) for one in fields(self) if one.name not in left_out}
        return values | {"unusual": [asdict(image) for image in self.unusual]}
