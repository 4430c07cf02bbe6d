"""What a training leaves to look at, as plain data: its curves, what was restored meanwhile, and its images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Curve:
    """A quantity over the steps of a stage: of every run of neighbouring steps its mean, lowest and highest value.

    Attributes:
        steps: middles of the runs, from 0, `(K,)` float64.
        means: `(K,)` float64.
        lows: `(K,)` float64.
        highs: `(K,)` float64.
    """

    steps: NDArray[np.float64] = field(repr=False)
    means: NDArray[np.float64] = field(repr=False)
    lows: NDArray[np.float64] = field(repr=False)
    highs: NDArray[np.float64] = field(repr=False)


@dataclass(frozen=True)
class StageRecord:
    """How one network was trained.

    Attributes:
        name: of the stage: `ie_net`, `expert_net`, `feature_net_witness` or `feature_net`.
        steps: of its training.
        curves: of the loss, its terms and what is watched beside them, by name, in their order.
        shows: what `snapshots` hold: `impression` or `reconstruction`; empty for a stage that restores no image.
        examples: the images that they are of, `(E, S, S, 3)` uint8; E is 0 where none are kept.
        example_rows: which of the images of this stage they are.
        snapshots: by the number of steps done, what the network made of the examples, `(E, S, S, 3)` uint8.
    """

    name: str
    steps: int
    curves: Mapping[str, Curve] = field(repr=False)
    shows: str
    examples: NDArray[np.uint8] = field(repr=False)
    example_rows: tuple[int, ...]
    snapshots: Mapping[int, NDArray[np.uint8]] = field(repr=False)


@dataclass(frozen=True)
class TrainingPicture:
    """One of the training images, to be shown.

    Attributes:
        name: of its sample.
        shape: height and width of the image itself.
        pixels: as the networks see it, `(S, S, 3)` uint8; None where no picture is to be kept (`explain.privacy`).
        heat: its anomaly map by what was fitted without it, normalised, `(S, S)` float32; None where there is none.
    """

    name: str
    shape: tuple[int, int]
    pixels: NDArray[np.uint8] | None = field(repr=False, default=None)
    heat: NDArray[np.float32] | None = field(repr=False, default=None)


@dataclass(frozen=True)
class TrainingRecord:
    """What a training leaves to look at.

    Attributes:
        name: of the data; empty for images that were handed over.
        layout: that a folder was read by; empty for other data.
        left_out: what lies in the folder and was not trained on, a line for each reason.
        skipped: what was wrong with each damaged file.
        size: side of the images in the networks, in pixels.
        channels: of the images there.
        private: whether no pictures are kept (`explain.privacy`).
        config: the resolved config, YAML.
        stages: in the order of their training; none for a network that was left untrained.
        example_names: of the images whose snapshots were taken.
        scores: normalised, of the normal images that set the thresholds, ascending, `(N,)` float64.
        rates: of normal images that the threshold, and that of failing, are set for.
        threshold: on normalised scores.
        fail_threshold: that of the band `fail`.
        unusual: the images with the highest scores, as in `FitReport.unusual`; the first of them where there are many.
        copies: images that are copies, each with that which it is a copy of; the first of them where there are many.
        n_copies: how many there are.
    """

    name: str
    layout: str
    left_out: tuple[str, ...]
    skipped: tuple[str, ...]
    size: int
    channels: int
    private: bool
    config: str = field(repr=False)
    stages: tuple[StageRecord, ...]
    example_names: tuple[str, ...]
    scores: NDArray[np.float64] = field(repr=False)
    rates: tuple[float, float]
    threshold: float
    fail_threshold: float
    unusual: tuple[TrainingPicture, ...]
    copies: tuple[tuple[TrainingPicture, TrainingPicture], ...]
    n_copies: int
