"""What travels between the server and its worker processes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from utad.interpret.normal_images import Neighbour
from utad.types import Band

ModelKey = tuple[str, int]
"""Name and version of a model that is served."""


@dataclass(frozen=True)
class Task:
    """One image to be scored.

    Attributes:
        name: of the image, for errors.
        image: the content of an image file, or pixels `(H, W, 3)` uint8, RGB.
        pictures: kinds of PNG pictures that are wanted (`utad.serving.pictures.KINDS`).
        arrays: names of arrays that are wanted (`utad.serving.pictures.ARRAYS`).
        longest: side of the pictures, in pixels; None for the size of the image.
        outlines: whether the outlines of the mask are wanted.
        similar: how many of the nearest normal images are wanted.
    """

    name: str
    image: bytes | NDArray[np.uint8] = field(repr=False)
    pictures: tuple[str, ...] = ()
    arrays: tuple[str, ...] = ()
    longest: int | None = None
    outlines: bool = False
    similar: int = 0


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What there is to say of one image.

    Attributes:
        pred_score: normalised.
        pred_label: true when anomalous.
        band: pass, review or fail.
        threshold: of the label.
        fail_threshold: of the band `fail`.
        regions: as `Region.as_dict` has them.
        height: of the image, in pixels.
        width: of the image, in pixels.
        aligned: as in `Prediction`.
        pictures: PNG files by kind.
        outlines: of `mask` and, where the model has one, of its `region` of interest, as paths of an SVG in pixels of
            the image; empty where they were not wanted.
        arrays: by name.
        similar: the nearest normal images, the nearest first; empty where the model keeps none.
        feature_means: as in `EngineResult`.
    """

    pred_score: float
    pred_label: bool
    band: Band
    threshold: float
    fail_threshold: float
    regions: list[dict[str, Any]]
    height: int
    width: int
    aligned: bool | None
    pictures: dict[str, bytes] = field(repr=False, default_factory=dict)
    outlines: dict[str, str] = field(repr=False, default_factory=dict)
    arrays: dict[str, NDArray[Any]] = field(repr=False, default_factory=dict)
    similar: tuple[Neighbour, ...] = field(repr=False, default=())
    feature_means: NDArray[np.float32] = field(repr=False, default_factory=lambda: np.empty(0, np.float32))


@dataclass(frozen=True)
class Refusal:
    """Why one image has no score; what the sender of the image can mend."""

    message: str


@dataclass(frozen=True)
class Load:
    """Asks a worker to open a model and to pass a warm-up inference with it."""

    key: ModelKey
    folder: Path


@dataclass(frozen=True)
class Unload:
    """Asks a worker to let go of a model."""

    key: ModelKey


@dataclass(frozen=True)
class Run:
    """Asks a worker to score images with one model."""

    key: ModelKey
    tasks: tuple[Task, ...]


@dataclass(frozen=True)
class Loaded:
    """The worker's answer to `Load` and `Unload`; `error` says why it is not loaded."""

    error: str | None = None


@dataclass(frozen=True)
class Scored:
    """The worker's answer to `Run`, in the order of the tasks."""

    results: tuple[Answer | Refusal, ...]
    seconds: float
