"""A model of anomalib as a compared method: the same images, and the same way to a threshold, as every other."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, ClassVar, cast

from torch import Tensor

from utad.baselines.anomalib_models import AT_HAND, MODELS, OWN, PREFIX, WEIGHTS, build_model, known_model
from utad.baselines.anomalib_training import learnt_numbers, train_model
from utad.baselines.baseline import FROM_ALL_BUT_HELD_OUT, Baseline, Scores
from utad.baselines.departures import NOT_STATED, Departures
from utad.errors import ConfigError
from utad.scoring.perceptual import upsample
from utad.seeding import derived_seed

IMAGES_SEEN = 24_000
"""In a training for which the model names no number of epochs: what the trained methods of this package see, 1,500
batches of 16."""


def anomalib_method(name: str) -> type[Baseline]:
    """The method of a model of anomalib.

    Args:
        name: `anomalib:` and one of `utad.baselines.anomalib_models.MODELS`.

    Raises:
        ConfigError: if it is none of them.
        MissingDependencyError: if anomalib is not installed.
    """
    known, model = known_model(name), name.removeprefix(PREFIX)
    members = {"name": name, "model": model} | ({"learns_from": FROM_ALL_BUT_HELD_OUT} if known.trained else {})
    return cast(type[Baseline], type(f"Anomalib{model}", (AnomalibMethod,), members))


@dataclass(kw_only=True, eq=False)
class AnomalibMethod(Baseline):
    """A model of anomalib, trained by Lightning with its own losses and optimisers, and scored without clipping.

    Its post-processor, which takes its threshold from labelled anomalies and clips scores, has no part in it.

    Args:
        size: side of its images; 0 for its own.
        weights: `at-hand`, `random`, or `own`, which it fetches.
        batch_size: of training; anomalib's own by default.
        epochs: of training; 0 for as many as show it `IMAGES_SEEN` images.

    Attributes:
        module_: the trained `AnomalibModule`.
        steps_: batches that it was trained on.
    """

    model: ClassVar[str]
    """The class in `anomalib.models`."""

    size: int = 0
    weights: str = AT_HAND
    batch_size: int = 32
    epochs: int = 0
    module_: Any = field(init=False, repr=False)
    steps_: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Refuses settings that the model has no use for.

        Raises:
            ConfigError: naming the setting.
        """
        if self.weights not in WEIGHTS:
            raise ConfigError(f"{self.name}: got weights {self.weights!r}, expected one of {', '.join(WEIGHTS)}")
        if self.epochs and not MODELS[self.model].trained:
            raise ConfigError(f"{self.name} learns in one pass, not in epochs: leave {self.name}.epochs out")
        if self.batch_size < 1:
            raise ConfigError(f"{self.name}: got batch_size {self.batch_size}, expected at least 1")
        self.size = self.size or MODELS[self.model].size

    def learn(self, images: Tensor) -> None:
        """Builds the model and trains it on normal images `(N, C, S, S)`.

        Raises:
            TrainingError: if anomalib cannot train it.
            WeightsError: if its own weights are asked for and cannot be fetched.
        """
        epochs = self.epochs or math.ceil(IMAGES_SEEN / len(images))
        self.steps_ = epochs * math.ceil(len(images) / self.batch_size)
        module = build_model(self.model, size=self.size, weights=self.weights)
        self.module_ = train_model(
            module,
            _in_colour(images),
            epochs=epochs,
            batch_size=self.batch_size,
            seed=derived_seed(self.seed, f"baseline/{self.name}"),
        )

    def score(self, images: Tensor) -> Scores:
        """The model's own scores and maps, as it gives them to its post-processor."""
        self.check_fitted()
        found = self.module_.model(self.module_.pre_processor(_in_colour(images)))
        maps: Tensor = found.anomaly_map.reshape(len(images), *found.anomaly_map.shape[-2:])
        of_images = found.pred_score if found.pred_score is not None else maps.flatten(1).amax(dim=1)
        return Scores(of_images.reshape(len(images)), upsample(maps.float(), self.size))

    def count_parameters(self) -> int:
        """Numbers learnt by gradient descent; 0 before `fit`, and for models of statistics alone."""
        return learnt_numbers(self.module_) if "module_" in vars(self) else 0

    def training_steps(self) -> str:
        """Batches of the training, and images in one; empty before `fit`, and for models of statistics."""
        if not MODELS[self.model].trained or "steps_" not in vars(self):
            return ""
        return f"{self.steps_} of {self.batch_size} images"

    def departures(self) -> Departures:
        """The weights and images that it has here."""
        known = MODELS[self.model]
        label, weights = self._weights()
        changes = [weights] if weights else []
        changes.append(f"whole images of {self.size} pixels{_instead_of(self.size, known.cropped_from, known.size)}")
        if known.lacks and self.weights != OWN:
            changes.append(known.lacks)
        return Departures(
            source=f"anomalib.models.{self.model} of anomalib {version('anomalib')}",
            changes=tuple(changes),
            source_steps=NOT_STATED if known.trained else "",
            steps=self.training_steps(),
            label=label,
        )

    def _weights(self) -> tuple[str, str]:
        """What stands behind the name for the weights of the backbone, and the same in words."""
        known = MODELS[self.model]
        if not known.backbone or self.weights == OWN:
            return "", ""
        if self.weights == AT_HAND and known.takes_any:
            return "EfficientNet-Lite0", f"features of EfficientNet-Lite0, as UTAD's, instead of {known.backbone}"
        return "random weights", f"random weights of its backbone, {known.backbone}, instead of pretrained ones"

    def _on_device(self) -> AbstractContextManager[object]:
        # Lightning moves the model, and what draws the batches does so on the CPU.
        return nullcontext()

    def _fit(self, images: Tensor, image_of: Tensor) -> Scores:
        if MODELS[self.model].trained:
            return self._fit_once(images, image_of)
        return super()._fit(images, image_of)


def _instead_of(size: int, cropped_from: int, own: int) -> str:
    if cropped_from:
        return f" instead of the middle {own} of {cropped_from}"
    return ", as it ships" if size == own else f" instead of {own}"


def _in_colour(images: Tensor) -> Tensor:
    """`(N, 1 or 3, S, S)` to `(N, 3, S, S)`."""
    return images.expand(-1, 3, -1, -1)
