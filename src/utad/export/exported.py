"""An exported detector: predicts as `UTAD` does, through ONNX Runtime or OpenVINO, without torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from utad.config import Config, parse_config
from utad.data.conversion import check_image
from utad.data.streaming import iterate_images
from utad.errors import ImageReadError, NonFiniteScoreError
from utad.export.engines import Arrays, Engine, build_engine
from utad.export.manifest import Manifest, read_graph, read_manifest, write_manifest
from utad.inputs import Input, check_batch_size, iterate_samples, predictions_of
from utad.interpret.figures import to_8_bit
from utad.thresholds import Recalibration, recalibrate_labelled
from utad.types import Image, Prediction, Sample, StoredPictures

BATCH_PIXELS = 2**22
"""Pixels of the images computed together, at the most: larger images go one by one, whatever the batch size."""

_Outcome = tuple[Sample, Prediction | ImageReadError]


class ExportedDetector:
    """What `utad export` wrote, ready to score.

    Images of 16 bits are rounded to 8 for the graph. Term maps are not part of an export: `term_maps` is empty.

    Args:
        manifest: of the folder.
        engine: its graph.

    Attributes:
        manifest: what was exported, from what, and how exact it is.
        config: the resolved config of the detector.
        threshold: on normalised scores.
    """

    def __init__(self, manifest: Manifest, engine: Engine) -> None:
        self.manifest = manifest
        self.config: Config = parse_config(manifest.config)
        self.threshold = manifest.threshold
        self._engine = engine

    @classmethod
    def load(cls, folder: Path | str) -> ExportedDetector:
        """Reads an exported folder; nothing is believed before its sha256 is checked.

        Raises:
            ModelFileError: if it is damaged, incomplete, not an export of utad, or of a newer version.
            MissingDependencyError: if the runtime is not installed.
        """
        manifest = read_manifest(Path(folder))
        return cls(manifest, build_engine(manifest.format, manifest.precision, read_graph(Path(folder), manifest)))

    def predict(self, inputs: Input | Iterable[Input], *, batch_size: int = 8) -> Any:
        """Scores images: one gives a `Prediction`, several (a batch, a list, a folder) give a list.

        Args:
            inputs: as for `UTAD.predict`.
            batch_size: images scored together where neighbours have the same size.

        Raises:
            ImageReadError: naming the file that cannot be read.
            InputError: if an input is not an image, or `batch_size` is below 1.
            NonFiniteScoreError: if a score or map is not finite.
        """
        return predictions_of(inputs, self.predict_samples(list(iterate_samples(inputs)), batch_size=batch_size))

    def predict_samples(self, samples: Sequence[Sample], *, batch_size: int = 8) -> Iterator[_Outcome]:
        """Scores a stream of images in bounded memory; an unreadable one gives its error in its place."""
        check_batch_size(batch_size)
        pending: list[tuple[Sample, Image]] = []
        for sample, image in iterate_images(samples, max_pixels=self.config.image.max_pixels):
            if isinstance(image, ImageReadError):
                yield from self._predict_batch(pending)
                pending = []
                yield sample, image
                continue
            check_image(image, name=sample.name)
            if pending and not _fits(image, pending, batch_size):
                yield from self._predict_batch(pending)
                pending = []
            pending.append((sample, image))
        yield from self._predict_batch(pending)

    def calibrate_labelled(self, samples: Sequence[Sample], *, target: str = "f1") -> Recalibration:
        """Sets the threshold from labelled images, to the best F1 or to a recall.

        Args:
            samples: normal and anomalous images; those without a label are left out.
            target: `f1` or `recall=0.95`.

        Raises:
            DataError: unless both kinds are there.
        """
        outcome = recalibrate_labelled(self.predict_samples, samples, target)
        self.threshold = outcome.threshold
        return outcome

    def save_threshold(self, folder: Path) -> Path:
        """Keeps the threshold in the exported folder, and returns the file that holds it.

        Raises:
            OutputError: if that is not possible.
        """
        self.manifest = replace(self.manifest, threshold=self.threshold)
        return write_manifest(folder, self.manifest)

    def _predict_batch(self, batch: Sequence[tuple[Sample, Image]]) -> Iterator[_Outcome]:
        if not batch:
            return
        arrays = self._engine.run(np.stack([to_8_bit(image) for _, image in batch]))
        if not np.isfinite(arrays["pred_score"]).all() or not np.isfinite(arrays["anomaly_map"]).all():
            raise NonFiniteScoreError(
                f"a score of {', '.join(sample.name for sample, _ in batch)} is not finite: the model does not fit "
                "these images; retrain it with images like them and export it again"
            )
        for index, (sample, _) in enumerate(batch):
            yield sample, _prediction(arrays, index, self.threshold)


def _fits(image: Image, pending: Sequence[tuple[Sample, Image]], batch_size: int) -> bool:
    pixels = image.shape[0] * image.shape[1] * (len(pending) + 1)
    return image.shape == pending[0][1].shape and len(pending) < batch_size and pixels <= BATCH_PIXELS


def _prediction(arrays: Arrays, index: int, threshold: float) -> Prediction:
    score = float(arrays["pred_score"][index])
    # Copies: a runtime may compute the next batch into the same memory, and a view would keep the whole batch alive.
    return Prediction(
        pred_score=score,
        pred_label=score > threshold,
        threshold=threshold,
        raw_score=float(arrays["raw_score"][index]),
        anomaly_map=arrays["anomaly_map"][index].copy(),
        pred_mask=arrays["pred_mask"][index].astype(bool),
        pictures=StoredPictures(
            impression=arrays["impression"][index].copy(),
            naive_impression=arrays["naive_impression"][index].copy(),
            reconstruction=arrays["reconstruction"][index].copy(),
        ),
    )
