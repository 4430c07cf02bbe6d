"""What a training came to, by hand: two stages with curves and snapshots, an outlier, a copy, and hostile names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tests import fabricate
from utad.fit_report import FitReport, UnusualImage
from utad.training_record import Curve, StageRecord, TrainingPicture, TrainingRecord

HOSTILE = "teil</li><b onclick=alert(1)>.png"
SIDE = 32


def curve(first: float, last: float, *, points: int = 20) -> Curve:
    """From one value to another in a straight line, with a band of a tenth around it."""
    means = np.linspace(first, last, points)
    return Curve(np.arange(points) + 0.0, means, 0.9 * means, 1.1 * means)


def pictures(count: int, seed: int = 0) -> np.ndarray:
    return np.stack([fabricate.picture(SIDE, SIDE, seed=seed + index) for index in range(count)])


def stage(name: str, curves: dict[str, Curve], shows: str = "") -> StageRecord:
    shown = bool(shows)
    return StageRecord(
        name=name,
        steps=20,
        curves=curves,
        shows=shows,
        examples=pictures(2) if shown else np.empty((0, 1, 1, 3), np.uint8),
        example_rows=(0, 3) if shown else (),
        snapshots={1: pictures(2, 10), 20: pictures(2, 20)} if shown else {},
    )


def shown(name: str, seed: int = 0, *, heat: bool = False) -> TrainingPicture:
    level = np.linspace(0, 2, SIDE * SIDE, dtype=np.float32).reshape(SIDE, SIDE)
    return TrainingPicture(name, (40, 80), fabricate.picture(SIDE, SIDE, seed=seed), level if heat else None)


def record(**changes: Any) -> TrainingRecord:
    """Of 120 images, of which `HOSTILE` scores far above the others."""
    codes = {"mu_std": curve(0.01, 0.4), "sigma_mean": curve(1.0, 0.9)}
    made = TrainingRecord(
        name="teile <1>",
        layout="flat",
        left_out=("2 files of formats that are not read (.heic)",),
        skipped=("<i>leer</i>.png: the file is empty",),
        size=SIDE,
        channels=3,
        private=False,
        config="preset: fast\nseed: 0\n",
        stages=(
            stage("ie_net", {"loss": curve(9.0, 1.0), "reconstruction": curve(0.1, 0.01), **codes}, "impression"),
            stage("expert_net", {"loss": curve(5.0, 2.0), "detail_std": curve(1e-3, 1e-2)}, "reconstruction"),
            stage("feature_net", {"loss": curve(1.0, 0.1), "restoration": curve(1.0, 0.1)}),
        ),
        example_names=(f"{200 * 'y'}.png", "<u>4</u>.png"),
        scores=np.concatenate([np.linspace(-0.5, 0.45, 119), [4.0]]),
        rates=(0.01, 0.001),
        threshold=0.5,
        fail_threshold=0.8,
        unusual=(shown(HOSTILE, 1, heat=True), *(shown(f"{index}.png", index, heat=True) for index in range(2, 6))),
        copies=((shown("7 copy.png", 7), shown(f"{200 * 'x'}.png", 7)),),
        n_copies=1,
    )
    return replace(made, **changes)


def report(*, n_images: int = 120, of_record: TrainingRecord | None = None) -> FitReport:
    scores = (4.0, 0.45, 0.44, 0.43, 0.42)
    made = record() if of_record is None else of_record
    return FitReport(
        n_images=n_images,
        n_held_out=12,
        n_skipped=1,
        seconds=125.0,
        stage_seconds={"ie_net": 60.0, "expert_net": 50.0, "feature_net": 0.0},
        unusual=tuple(
            UnusualImage(picture.name, score, outlier=score > 1)
            for picture, score in zip(made.unusual, scores, strict=True)
        ),
        model=Path("run") / "model.safetensors",
        record=made,
    )
