"""From a finished training to its `FitReport`, the record in it included."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from utad.config import Config
from utad.data.subsets import held_out_block
from utad.data.tensors import to_uint8
from utad.fit_report import FitReport
from utad.fitting import Fitted, held_out_of
from utad.interpret.unusual_images import unusual_images
from utad.predictor import Predictor
from utad.scoring.calibration import MAPS
from utad.scoring.normalisation import Normalisation
from utad.training_data import TrainingData
from utad.training_record import TrainingPicture, TrainingRecord

MOST_PAIRS = 24
"""Copies that are kept to be shown, each with that which it is a copy of."""


def report_of(
    data: TrainingData,
    fitted: Fitted,
    config: Config,
    detector: Predictor,
    normalisation: Normalisation,
    *,
    seconds: float,
    model: Path | None,
) -> FitReport:
    """What a training came to.

    Args:
        data: that the detector was trained on.
        fitted: what fitting came to.
        config: the resolved config.
        detector: the fitted one, whose thresholds are told.
        normalisation: of its image scores.
        seconds: from the first file to the model.
        model: the file written, if there is one.
    """
    scores = normalisation.apply(fitted.normal.scores).numpy()
    held_out = held_out_block(len(data.names), config.calibration.held_out)
    unusual = unusual_images(data.names, scores)
    return FitReport(
        n_images=len(data.names),
        n_held_out=int(held_out.sum()),
        n_skipped=len(data.loaded.skipped),
        seconds=seconds,
        stage_seconds=fitted.seconds,
        unusual=unusual,
        model=model,
        record=_record(data, fitted, config, detector, scores, n_unusual=len(unusual)),
        n_tiles=len(data.loaded.images) if data.tiles is not None else None,
    )


def _record(
    data: TrainingData,
    fitted: Fitted,
    config: Config,
    detector: Predictor,
    scores: NDArray[np.float64],
    *,
    n_unusual: int,
) -> TrainingRecord:
    loaded, category, settings = data.loaded, data.category, config.calibration
    trained_on = (~held_out_of(len(loaded.images), settings.held_out, data.tiles)).nonzero().flatten().tolist()
    rows = next((stage.example_rows for stage in fitted.stages if stage.example_rows), ())
    highest = fitted.normal.highest.tolist()[: min(n_unusual, MAPS)]
    pairs = data.copies[:MOST_PAIRS]
    heats = dict(zip(highest, fitted.normal.maps.numpy(), strict=False))
    wanted = {*highest, *(index for pair in pairs for index in pair)}
    pictures = {index: _picture(data, index, heats.get(index), private=config.explain.privacy) for index in wanted}
    return TrainingRecord(
        name=category.name,
        layout=category.layout,
        left_out=tuple(category.left_out),
        skipped=tuple(map(str, loaded.skipped)),
        size=config.image.size,
        channels=loaded.channels,
        private=config.explain.privacy,
        config=config.to_yaml(),
        stages=fitted.stages,
        example_names=tuple(loaded.names[trained_on[row]] for row in rows),
        scores=np.sort(scores[np.isfinite(scores)]),
        rates=(settings.image_fpr, settings.fail_fpr),
        threshold=detector.threshold,
        fail_threshold=max(detector.threshold, detector.fail_threshold or detector.threshold),
        unusual=tuple(pictures[index] for index in highest),
        copies=tuple((pictures[copy], pictures[original]) for copy, original in pairs),
        n_copies=len(data.copies),
    )


def _picture(data: TrainingData, index: int, heat: NDArray[np.float32] | None, *, private: bool) -> TrainingPicture:
    if private:
        return TrainingPicture(data.names[index], data.sizes[index])
    image = data.pictures[index]
    pixels = to_uint8(image, (int(image.shape[-2]), int(image.shape[-1])))
    return TrainingPicture(data.names[index], data.sizes[index], pixels, heat)
