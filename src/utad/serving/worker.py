"""A worker process: holds the models as exported graphs, decodes images, scores them. Never imports torch."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection

import numpy as np

from utad.data.reading import image_from_bytes
from utad.errors import ImageReadError, InputError, ModelFileError, NonFiniteScoreError, UTADError
from utad.export.exported import ExportedDetector
from utad.interpret.normal_images import NormalImages
from utad.serving.messages import Answer, Load, Loaded, ModelKey, Refusal, Run, Scored, Task, Unload
from utad.serving.pictures import outlines_of, png_of
from utad.types import Image, Prediction, Sample

_LOGGER = logging.getLogger(__name__)

WARM_UP_SIDE = 256
"""Of the grey image that every model has to score before it counts as loaded."""

NICENESS = 5
"""Above that of the server: whoever asks for its health, or is refused, does not wait for what is being computed."""


def work(connection: Connection, threads: int, max_pixels: int) -> None:
    """Answers messages until the connection ends, which it does when the server is gone, however that came.

    Signals are the server's affair: a terminal sends Ctrl-C to all processes of a group, a supervisor SIGTERM to all
    of a unit, and what is in hand has to be finished.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    models = Models(threads=threads, max_pixels=max_pixels)
    try:
        while True:
            connection.send(models.answer(connection.recv()))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


class Models:
    """The models of one worker.

    Args:
        threads: that each of them computes with.
        max_pixels: of an image; the model's own limit counts where it is lower.
    """

    def __init__(self, *, threads: int, max_pixels: int) -> None:
        self._threads = threads
        self._max_pixels = max_pixels
        self._detectors: dict[ModelKey, ExportedDetector] = {}

    def answer(self, message: Load | Unload | Run) -> Loaded | Scored:
        """What a message of the server asks for."""
        if isinstance(message, Run):
            begun = time.perf_counter()
            results = self.score(message.key, message.tasks)
            return Scored(tuple(results), time.perf_counter() - begun)
        if isinstance(message, Unload):
            self._detectors.pop(message.key, None)
            return Loaded()
        try:
            self.load(message)
        except UTADError as error:
            return Loaded(str(error))
        except Exception as error:  # A runtime may raise anything over a graph; the other models go on.
            _LOGGER.exception("loading %s", message.folder)
            return Loaded(f"{message.folder} cannot be loaded: {type(error).__name__}: {error}")
        return Loaded()

    def load(self, message: Load) -> None:
        """Opens a model and scores one grey image with it.

        Raises:
            ModelFileError: if the folder is damaged, the runtime does not take the graph, or the score is not finite.
            MissingDependencyError: if the runtime is not installed.
        """
        detector = ExportedDetector.load(message.folder, threads=self._threads)
        detector.colour_order = None  # It would warn of every request anew.
        grey = np.full((WARM_UP_SIDE, WARM_UP_SIDE, 3), 128, np.uint8)
        for _, outcome in detector.predict_samples([Sample("warm-up", grey)]):
            if isinstance(outcome, ImageReadError):
                raise ModelFileError(f"the warm-up inference failed: {outcome}")
        self._detectors[message.key] = detector

    def score(self, key: ModelKey, tasks: Sequence[Task]) -> list[Answer | Refusal]:
        """One result per task, in their order; what is wrong with one image is said of it alone."""
        detector = self._detectors[key]
        results: dict[int, Answer | Refusal] = {}
        images: dict[int, Image] = {}
        for index, task in enumerate(tasks):
            try:
                images[index] = self._decoded(task, detector)
            except (ImageReadError, InputError) as error:
                results[index] = Refusal(str(error))
        together = [index for index, image in images.items() if image.dtype == np.uint8]
        alone = [index for index in images if index not in together]
        try:
            results |= _predicted(detector, tasks, images, together)
        except NonFiniteScoreError:
            alone = list(images)
        for index in alone:
            try:
                results |= _predicted(detector, tasks, images, [index])
            except (InputError, NonFiniteScoreError) as error:
                results[index] = Refusal(f"{tasks[index].name}: {error}")
        return [results[index] for index in range(len(tasks))]

    def _decoded(self, task: Task, detector: ExportedDetector) -> Image:
        limit = min(self._max_pixels, detector.config.image.max_pixels)
        if isinstance(task.image, bytes):
            return image_from_bytes(task.image, name=task.name, max_pixels=limit)
        pixels = task.image.shape[0] * task.image.shape[1]
        if pixels > limit:
            raise ImageReadError(f"{task.name}: got {pixels:,} pixels, expected at most {limit:,}; make it smaller")
        return task.image


def _predicted(
    detector: ExportedDetector, tasks: Sequence[Task], images: dict[int, Image], indices: Sequence[int]
) -> dict[int, Answer | Refusal]:
    """The results of some of the images by index, scored together."""
    samples = [Sample(tasks[index].name, images[index]) for index in indices]
    results: dict[int, Answer | Refusal] = {}
    for index, (_, outcome) in zip(indices, detector.predict_samples(samples), strict=True):
        if isinstance(outcome, ImageReadError):
            results[index] = Refusal(str(outcome))
        else:
            results[index] = _answer(tasks[index], images[index], outcome, detector.normal_images)
    return results


def _answer(task: Task, image: Image, prediction: Prediction, normal_images: NormalImages | None) -> Answer:
    return Answer(
        pred_score=prediction.pred_score,
        pred_label=prediction.pred_label,
        band=prediction.band,
        threshold=prediction.threshold,
        fail_threshold=prediction.fail_threshold,
        regions=[region.as_dict() for region in prediction.regions],
        height=image.shape[0],
        width=image.shape[1],
        aligned=prediction.aligned,
        pictures={kind: png_of(kind, image, prediction, longest=task.longest) for kind in task.pictures},
        outlines=outlines_of(prediction) if task.outlines else {},
        arrays={name: np.asarray(getattr(prediction, name)) for name in task.arrays},
        similar=normal_images.nearest(prediction.code, task.similar) if normal_images and task.similar else (),
        feature_means=prediction.feature_means,
    )
