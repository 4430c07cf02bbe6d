"""The page of a training, one file: curves, what was restored meanwhile, the threshold, and images to look at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from utad import __version__
from utad.fit_report import FitReport
from utad.interpret.figures import heat_overlay
from utad.report.colour_scale import colour_scale
from utad.report.data_uris import thumbnail_uri
from utad.report.loss_charts import HEIGHT, STAGES, LossChart, collapse_charts, loss_charts
from utad.report.loss_charts import WIDTH as CHART_WIDTH
from utad.report.rendering import render, text
from utad.report.score_axis import WIDTH, axis_of, histogram, ticks
from utad.report.threshold_worth import CONFIDENCE, threshold_worth
from utad.thresholds import FEW_IMAGES
from utad.training_record import StageRecord, TrainingPicture, TrainingRecord

_SIDE = 256
"""Longest side of a picture, in pixels."""

_MOST_BYTES = 24_000
"""Of a picture: some 150 of them are the most that a page has."""

_LISTED = 200
"""Lines of a list; of more the number is told."""


@dataclass(frozen=True)
class StageRow:
    """One stage of the training.

    Attributes:
        name: as `metrics.csv` has it.
        title: as people read it.
        purpose: what it does.
        steps: of its training.
        seconds: of this process; 0 where it was taken from its checkpoint.
        charts: its curves.
    """

    name: str
    title: str
    purpose: str
    steps: int
    seconds: float
    charts: list[LossChart]


@dataclass(frozen=True)
class Shown:
    """A training image in the page.

    Attributes:
        name: as text.
        shape: height and width of the image itself.
        picture: data URI; empty where no pictures are kept.
        overlay: of the picture with its anomaly map over it; empty where there is none.
    """

    name: str
    shape: tuple[int, int]
    picture: str
    overlay: str


@dataclass(frozen=True)
class Progression:
    """What a stage made of the examples while it was trained.

    Attributes:
        title: of the stage.
        shows: `impression` or `reconstruction`.
        steps: done before each snapshot.
        rows: of each example its name, and data URIs of itself and of every snapshot.
    """

    title: str
    shows: str
    steps: list[int]
    rows: list[tuple[str, list[str]]]


def training_page(report: FitReport) -> str:
    """The page of what `UTAD.fit` came to.

    Args:
        report: `UTAD.report_`, or what `UTAD.fit(report=...)` hands over.
    """
    record = report.record
    stages = {stage.name: stage for stage in record.stages}
    unusual = [_shown(picture) for picture in record.unusual]
    collapse = collapse_charts(stages)
    axis = axis_of(record.scores, record.fail_threshold)
    worth = [
        threshold_worth(record.scores, threshold, rate)
        for threshold, rate in zip((record.threshold, record.fail_threshold), record.rates, strict=True)
    ]
    return render(
        "training.html",
        title=text(record.name) or "Training",
        version=__version__,
        report=report,
        record=record,
        n_outliers=sum(image.outlier for image in report.unusual),
        unusual=list(zip(unusual, report.unusual, strict=False)),
        collapse=collapse,
        few=report.n_images <= FEW_IMAGES,
        stages=[_row(stage, report.stage_seconds.get(stage.name, 0.0)) for stage in record.stages],
        chart_width=CHART_WIDTH,
        chart_height=HEIGHT,
        progressions=[_progression(stage, record) for stage in record.stages if stage.snapshots],
        axis_width=WIDTH,
        bars=histogram(axis, (record.scores,))[0],
        ticks=ticks(axis),
        threshold_x=float(axis.x(np.array(record.threshold))),
        fail_x=float(axis.x(np.array(record.fail_threshold))),
        worth=worth,
        confidence=CONFIDENCE,
        scale=colour_scale(),
        copies=[(_shown(copy), _shown(original)) for copy, original in record.copies],
        left_out=[text(line) for line in record.left_out],
        skipped=[text(line) for line in record.skipped[:_LISTED]],
        config=text(record.config),
        small=record.size <= 96,
    )


def _row(stage: StageRecord, seconds: float) -> StageRow:
    title, purpose = STAGES.get(stage.name, (stage.name, ""))
    return StageRow(stage.name, title, purpose, stage.steps, seconds, loss_charts(stage))


def _shown(picture: TrainingPicture) -> Shown:
    name = text(picture.name)
    if picture.pixels is None:
        return Shown(name, picture.shape, "", "")
    overlay = _uri(heat_overlay(picture.pixels, picture.heat)) if picture.heat is not None else ""
    return Shown(name, picture.shape, _uri(picture.pixels), overlay)


def _progression(stage: StageRecord, record: TrainingRecord) -> Progression:
    pictures = (stage.examples, *stage.snapshots.values())
    rows = [
        (text(name), [_uri(of_all[position]) for of_all in pictures])
        for position, name in enumerate(record.example_names)
    ]
    return Progression(STAGES[stage.name][0], stage.shows, list(stage.snapshots), rows)


def _uri(pixels: NDArray[np.uint8]) -> str:
    return thumbnail_uri(pixels, _SIDE, _MOST_BYTES)
