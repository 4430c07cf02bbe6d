"""An exported detector: predicts as `UTAD` does, through ONNX Runtime or OpenVINO, without torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from utad.config import Config, parse_config
from utad.data.conversion import check_image
from utad.data.streaming import Read, in_order, in_their_places, iterate_stacks, pixels_of, readable
from utad.errors import ImageReadError, NonFiniteScoreError
from utad.export.engines import Arrays, Engine
from utad.export.manifest import Manifest, read_graph, read_manifest, write_manifest
from utad.export.ports import PICTURES, SCORES
from utad.export.runtimes import build_engine
from utad.inputs import Input, check_batch_size, iterate_samples, predictions_of
from utad.interpret.figures import to_8_bit
from utad.thresholds import Recalibration, recalibrate_labelled
from utad.types import Prediction, Sample, StoredPictures

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
        return cls(manifest, build_engine(manifest, read_graph(Path(folder), manifest)))

    def predict(self, inputs: Input | Iterable[Input], *, batch_size: int = 8) -> Any:
        """Scores images: one gives a `Prediction`, several (a batch, a list, a folder) give a list.

        Args:
            inputs: as for `UTAD.predict`.
            batch_size: images read together, where neighbours have the same size. Fewer than the runtime computes
                best together, and fewer images than keep the cores busy, are computed one after the other.

        Raises:
            ImageReadError: naming the file that cannot be read.
            InputError: if an input is not an image, or `batch_size` is below 1.
            ModelFileError: if the runtime does not accept the graph, which it compiles when it is needed.
            NonFiniteScoreError: if a score or map is not finite.
        """
        return predictions_of(inputs, self.predict_samples(list(iterate_samples(inputs)), batch_size=batch_size))

    def predict_samples(self, samples: Sequence[Sample], *, batch_size: int = 8) -> Iterator[_Outcome]:
        """Scores a stream of images in bounded memory; an unreadable one gives its error in its place."""
        check_batch_size(batch_size)
        size = min(batch_size, self._engine.stack)
        # What does not fill the cores is faster image by image, on all of them.
        alone = size < self._engine.stack or len(samples) < size * self._engine.workers
        stacks = iterate_stacks(samples, size, max_pixels=self.config.image.max_pixels, alike=True)
        predict = partial(self._predict_stack, alone=alone)
        if alone:
            for stack in stacks:
                yield from predict(stack)
            return
        for _, outcomes in in_order(predict, stacks, workers=self._engine.workers, pixels=pixels_of):
            yield from outcomes

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

    def _predict_stack(self, stack: Sequence[Read], *, alone: bool) -> list[_Outcome]:
        for sample, image in stack:
            if not isinstance(image, ImageReadError):
                check_image(image, name=sample.name)
        images = [to_8_bit(image) for image in readable(stack)]
        predictions: list[Prediction] = []
        if images:
            arrays = self._engine.run(np.stack(images), SCORES, alone=alone)
            if not np.isfinite(arrays["pred_score"]).all() or not np.isfinite(arrays["anomaly_map"]).all():
                raise NonFiniteScoreError(
                    f"a score of {', '.join(sample.name for sample, _ in stack)} is not finite: the model does not fit "
                    "these images; retrain it with images like them and export it again"
                )
            predictions = [self._prediction(arrays, index, image) for index, image in enumerate(images)]
        return in_their_places(stack, predictions)

    def _prediction(self, arrays: Arrays, index: int, image: NDArray[np.uint8]) -> Prediction:
        score = float(arrays["pred_score"][index])
        # Copies: a runtime may compute the next images into the same memory, a view would keep the whole stack, and
        # a camera's driver may fill the caller's array anew.
        return Prediction(
            pred_score=score,
            pred_label=score > self.threshold,
            threshold=self.threshold,
            raw_score=float(arrays["raw_score"][index]),
            anomaly_map=arrays["anomaly_map"][index].copy(),
            pred_mask=arrays["pred_mask"][index].astype(bool),
            pictures=ComputedPictures(self._engine, image.copy()),
        )


class ComputedPictures:
    """The pictures of one prediction, computed when one of them is asked for: most are never looked at.

    Pickling computes them, so that what arrives elsewhere needs no runtime.

    Args:
        engine: of the export.
        image: `(H, W, 3)`.
    """

    def __init__(self, engine: Engine, image: NDArray[np.uint8]) -> None:
        self._engine = engine
        self._image = image

    @cached_property
    def _stored(self) -> StoredPictures:
        arrays = self._engine.run(self._image[None], PICTURES)
        return StoredPictures(**{name: arrays[name][0].copy() for name in PICTURES})

    @property
    def impression(self) -> NDArray[np.uint8]:
        """The impression m, `(H, W, 3)` uint8."""
        return self._stored.impression

    @property
    def naive_impression(self) -> NDArray[np.uint8]:
        """The naive impression m_hat, `(H, W, 3)` uint8."""
        return self._stored.naive_impression

    @property
    def reconstruction(self) -> NDArray[np.uint8]:
        """The reconstruction x_hat, `(H, W, 3)` uint8."""
        return self._stored.reconstruction

    def __reduce__(self) -> tuple[type[StoredPictures], tuple[NDArray[np.uint8], ...]]:
        return StoredPictures, (self.impression, self.naive_impression, self.reconstruction)
