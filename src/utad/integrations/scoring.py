"""From places of images to rows: what a worker of Ray, Spark or another engine runs; neither is imported here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from utad.data.reading import image_from_bytes
from utad.dependencies import require
from utad.errors import ImageReadError
from utad.evaluation.prediction_tables import FIELDS
from utad.integrations.listing import is_url
from utad.predictor import Predictor
from utad.types import Image, Prediction, Sample

COLUMNS = (*FIELDS, "error")
"""Of the rows of a worker: those of predictions.csv, and why an image could not be read."""

_FETCHED_AHEAD = 8
"""Images of URLs that are fetched at the same time: a store answers late, and answers many at once."""


def score_places(
    detector: Predictor, names: Sequence[str], places: Sequence[str], *, batch_size: int = 8
) -> list[dict[str, Any]]:
    """Scores images by their paths or URLs; maps and masks are let go.

    Args:
        detector: that scores.
        names: what the rows call the images.
        places: absolute paths, or URLs that fsspec reads.
        batch_size: images scored together.

    Returns:
        A row of `COLUMNS` for each image, in their order. One that cannot be read has its reason as `error`, and
        nothing else beside its `path`.

    Raises:
        NonFiniteScoreError: if a score or map is not finite.
    """
    if not any(map(is_url, places)):
        return _score(detector, names, [Path(place) for place in places], batch_size)
    rows: list[dict[str, Any]] = []
    # Parts of this size bound what is fetched and held; they are whole batches.
    part = batch_size * -(-_FETCHED_AHEAD // batch_size)
    for start in range(0, len(names), part):
        part_names = names[start : start + part]
        images = list(_fetched(part_names, places[start : start + part], detector.max_pixels))
        rows += _score(detector, part_names, images, batch_size)
    return rows


def arrow_schema(columns: Sequence[str]) -> Any:
    """The types of columns of rows, for Arrow: two numbers and a label; all others are text."""
    arrow = require("pyarrow")
    types = {"pred_score": arrow.float64(), "pred_label": arrow.bool_(), "threshold": arrow.float64()}
    return arrow.schema([(column, types.get(column, arrow.string())) for column in columns])


def _score(
    detector: Predictor, names: Sequence[str], images: Sequence[Path | Image | ImageReadError], batch_size: int
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [dict.fromkeys(COLUMNS) | {"path": name} for name in names]
    samples, positions = [], []
    for position, (name, image) in enumerate(zip(names, images, strict=True)):
        if isinstance(image, ImageReadError):
            rows[position]["error"] = str(image)
        else:
            samples.append(Sample(name, image))
            positions.append(position)
    outcomes = detector.predict_samples(samples, batch_size=batch_size)
    for position, (_, outcome) in zip(positions, outcomes, strict=True):
        rows[position] |= _cells(names[position], outcome)
    return rows


def _cells(name: str, outcome: Prediction | ImageReadError) -> dict[str, Any]:
    if isinstance(outcome, ImageReadError):
        return {"error": str(outcome)}
    row = outcome.as_row(name)
    return {field: row[field] for field in FIELDS}


def _fetched(names: Sequence[str], places: Sequence[str], max_pixels: int) -> Iterator[Image | ImageReadError]:
    """For each URL its image, or why there is none."""
    with ThreadPoolExecutor(_FETCHED_AHEAD) as threads:
        for name, content in zip(names, threads.map(_content, names, places), strict=True):
            if isinstance(content, ImageReadError):
                yield content
                continue
            try:
                yield image_from_bytes(content, name=name, max_pixels=max_pixels)
            except ImageReadError as error:
                yield error


def _content(name: str, place: str) -> bytes | ImageReadError:
    try:
        with require("fsspec").open(place, "rb") as file:
            content: bytes = file.read()
            return content
    except OSError as error:
        return ImageReadError(f"{name}: cannot be fetched from {place}: {error}")
