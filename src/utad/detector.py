"""`UTAD`: fit, predict, save, load. The one object a user needs."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self, overload

import numpy as np
import PIL.Image
import torch

from utad.allocator import keep_buffers
from utad.config import Config, load_config, parse_config
from utad.data.held_out import held_out_block
from utad.data.loading import LoadedImages, load_images
from utad.data.streaming import iterate_stacks, pixels_of
from utad.errors import ImageReadError, NotFittedError, TrainingError
from utad.inputs import Input, check_batch_size, iterate_samples, normal_samples, predictions_of
from utad.model_file import MODEL_NAME, read_model, write_model
from utad.models.migration import upgrade
from utad.prediction import predict_stack
from utad.run_folder import prepare_run_folder, write_config
from utad.scoring.cores import over_cores
from utad.scoring.network import DetectorNetwork, build_network
from utad.scoring.normalisation import Normalisation, fit_normalisation
from utad.thresholds import Recalibration, recalibrate_labelled
from utad.training.fit import train_two_stage
from utad.types import Category, Prediction, Sample

_LOGGER = logging.getLogger(__name__)

AT_ONCE = 4
"""Images in the networks at a time: more of them leave the caches, which costs more than it saves, and take memory."""

_Outcome = tuple[Sample, Prediction | ImageReadError]


@dataclass(frozen=True)
class FitReport:
    """What `UTAD.fit` came to.

    Attributes:
        n_images: normal images used.
        n_held_out: of these, left out of the training of the networks.
        n_skipped: damaged images left out altogether.
        seconds: from the first file to the model.
        stage_seconds: of each stage's training.
        model: the file written, if an output folder was given.
    """

    n_images: int
    n_held_out: int
    n_skipped: int
    seconds: float
    stage_seconds: dict[str, float]
    model: Path | None

    def as_dict(self) -> dict[str, Any]:
        """Plain values, without the path."""
        values = asdict(self)
        del values["model"]
        return values


class UTAD:
    """Unsupervised two-stage anomaly detection.

    Args:
        preset: `fast`, `balanced`, `paper` or `paper-small`.
        config: a whole config instead of a preset.
        overrides: `section.key=value`, on top of the preset.
        seed: replaces the preset's seed; 0 is a seed like any other.

    Attributes:
        config: the resolved config.
        threshold: on normalised scores; 0.5 unless calibrated otherwise.
        network_: the fitted network, after `fit` or `load`, as it was trained; scores come from a faster form of it.
        report_: what `fit` came to; None for a loaded detector.

    Raises:
        ConfigError: if a setting is wrong.

    Example:
        >>> from utad import UTAD
        >>> UTAD(preset="fast", overrides=["image.size=64"]).config.image.size
        64
    """

    def __init__(
        self,
        preset: str = "fast",
        *,
        config: Config | None = None,
        overrides: Sequence[str] = (),
        seed: int | None = None,
    ) -> None:
        self.config = config if config is not None else load_config(preset, overrides=overrides, seed=seed)
        self.threshold = 0.5
        self._network: DetectorNetwork | None = None
        self._scoring: DetectorNetwork | None = None
        self.report_: FitReport | None = None

    def fit(
        self,
        data: str | Path | Category | Iterable[Input],
        *,
        output: Path | str | None = None,
        resume: bool = False,
        replace: bool = False,
        skip_bad: bool = False,
        progress: bool = False,
    ) -> Self:
        """Trains on normal images.

        Args:
            data: a folder, the name of a data set, a category, or images.
            output: the folder for model, config, metrics and checkpoints; None keeps nothing on disk.
            resume: go on with an interrupted run in `output`.
            replace: delete an earlier run in `output` first.
            skip_bad: leave damaged images out instead of stopping.
            progress: show a progress bar.

        Raises:
            DatasetError: naming every damaged image, or if there are none.
            OutputError: if `output` holds a run and neither `resume` nor `replace` is set, or cannot be written.
            TrainingError: if training fails, or the run to resume is another one.
        """
        start = time.perf_counter()
        keep_buffers()
        directory = Path(output) if output is not None else None
        if directory is not None:
            prepare_run_folder(directory, self.config, resume=resume, replace=replace)
        loaded = self._load_normals(data, skip_bad=skip_bad)
        network = build_network(self.config, loaded.channels)
        trained_on = ~held_out_block(len(loaded.images), self.config.calibration.held_out)
        report = train_two_stage(
            network.two_stage,
            loaded.images[trained_on],
            self.config,
            directory=directory,
            resume=resume,
            progress=progress,
        )
        network.calibrate(loaded.images, trained_on)
        self._use(network)
        self.threshold = 0.5
        self.report_ = FitReport(
            n_images=len(loaded.images),
            n_held_out=int((~trained_on).sum()),
            n_skipped=len(loaded.skipped),
            seconds=time.perf_counter() - start,
            stage_seconds=report.seconds,
            model=directory / MODEL_NAME if directory is not None else None,
        )
        if directory is not None:
            write_config(directory, self.config)
            self.save(directory / MODEL_NAME)
        return self

    @overload
    def predict(
        self, inputs: str | Path | PIL.Image.Image | np.ndarray[Any, Any] | torch.Tensor, *, batch_size: int = 8
    ) -> Any: ...

    @overload
    def predict(self, inputs: Sample, *, batch_size: int = 8) -> Prediction: ...

    @overload
    def predict(self, inputs: Iterable[Input], *, batch_size: int = 8) -> list[Prediction]: ...

    def predict(self, inputs: Any, *, batch_size: int = 8) -> Prediction | list[Prediction]:
        """Scores images: one gives a `Prediction`, several (a batch, a list, a folder) give a list.

        Args:
            inputs: paths, PIL images, arrays (HWC, uint8 or float in [0, 1]), tensors (NCHW or CHW, [0, 1]).
            batch_size: images scored together; at most four in any case; each core has its own.

        Raises:
            ImageReadError: naming the file that cannot be read.
            InputError: if an input is not an image, or `batch_size` is below 1.
        """
        outcomes = self.predict_samples(list(iterate_samples(inputs)), batch_size=batch_size)
        return predictions_of(inputs, outcomes)

    def predict_samples(self, samples: Sequence[Sample], *, batch_size: int = 8) -> Iterator[_Outcome]:
        """Scores a stream of images in bounded memory; an unreadable one gives its error in its place."""
        self._fitted()
        network = self._scoring
        assert network is not None
        check_batch_size(batch_size)
        keep_buffers()
        size = min(batch_size, AT_ONCE)
        stacks = iterate_stacks(samples, size, max_pixels=self.config.image.max_pixels)
        predict, count = partial(predict_stack, network, threshold=self.threshold), -(-len(samples) // size)
        for outcomes in over_cores(predict, stacks, count=count, pixels=pixels_of):
            yield from outcomes

    def calibrate(self, normal: Iterable[Input], *, fpr: float = 0.01) -> Recalibration:
        """Sets normalisation and threshold anew from normal images, such as those of another camera.

        Args:
            normal: normal images that the detector was not trained on.
            fpr: share of normal images above the threshold.
        """
        raw = [prediction.raw_score for prediction in self.predict(list(iterate_samples(normal)))]
        self._fitted().calibration.set_image(fit_normalisation(torch.tensor(raw, dtype=torch.float64), fpr))
        self.threshold = 0.5
        return Recalibration(0.5, f"{fpr:.3g} of normal images above it, from {len(raw)} images", len(raw))

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

    def save(self, path: Path | str) -> None:
        """Writes the whole detector to one safetensors file, atomically.

        Raises:
            NotFittedError: before `fit`.
            OutputError: if the file cannot be written.
        """
        network = self._fitted()
        manifest = {
            "config": self.config.model_dump(mode="json"),
            "channels": network.channels,
            "threshold": self.threshold,
        }
        write_model(Path(path), manifest, network.state_dict())

    @classmethod
    def load(cls, path: Path | str) -> UTAD:
        """Reads a detector; nothing is downloaded and nothing is unpickled.

        Raises:
            ModelFileError: if the file is missing, damaged, not a model, or of a newer version.
        """
        stored = read_model(Path(path))
        detector = cls(config=parse_config(stored.manifest["config"]))
        detector.threshold = float(stored.manifest["threshold"])
        network = build_network(detector.config, int(stored.manifest["channels"]), pretrained=False)
        network.load_state_dict(upgrade(stored.tensors, int(stored.manifest["format"])))
        detector._use(network.requires_grad_(requires_grad=False))
        return detector

    @property
    def network_(self) -> DetectorNetwork | None:
        """The fitted network as it was trained, None before `fit`; to be looked at.

        What is changed in it is saved and exported, and does not reach the scores before the detector is loaded anew.
        """
        return self._network

    @property
    def image_normalisation(self) -> Normalisation:
        """How raw image scores become normalised ones."""
        return self._fitted().calibration.of_image()

    def _load_normals(self, data: str | Path | Category | Iterable[Input], *, skip_bad: bool) -> LoadedImages:
        settings = self.config.image
        loaded = load_images(
            normal_samples(data),
            size=settings.size,
            channels=None if settings.channels == "auto" else settings.channels,
            max_pixels=settings.max_pixels,
            skip_bad=skip_bad,
        )
        if len(loaded.images) < 4:
            raise TrainingError(f"training needs at least 4 normal images, got {len(loaded.images)}")
        return loaded

    def _fitted(self) -> DetectorNetwork:
        if self._network is None:
            raise NotFittedError("the detector is not fitted: call fit, or UTAD.load a model")
        return self._network

    def _use(self, network: DetectorNetwork) -> None:
        self._network = network.eval()
        self._scoring = network.for_scoring()
