"""What fitting came to; without what fitting imports."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


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
        n_tiles: that the networks learnt from; None where images are not cut into tiles.
    """

    n_images: int
    n_held_out: int
    n_skipped: int
    seconds: float
    stage_seconds: dict[str, float]
    unusual: tuple[UnusualImage, ...]
    model: Path | None
    n_tiles: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values, without the path, and without what there is none of."""
        values = asdict(self)
        del values["model"]
        if self.n_tiles is None:
            del values["n_tiles"]
        return values
