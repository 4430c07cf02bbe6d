"""What the compared methods have in common: loading, held-out normals for the threshold, maps at the image's size."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Self, TypedDict

import torch
from torch import Tensor, nn

from utad.baselines.features import FrozenFeatures
from utad.data.held_out import held_out_block
from utad.data.loading import load_images
from utad.data.streaming import iterate_images
from utad.data.tensors import to_tensor
from utad.errors import ImageReadError, NotFittedError
from utad.scoring.normalisation import Normalisation, fit_normalisation
from utad.scoring.perceptual import upsample
from utad.scoring.segmentation import segment
from utad.training.seeding import derived_seed
from utad.types import Category, FloatMap, Image, Mask, Sample

_MAP_SAMPLES = 4_000_000


@dataclass(frozen=True)
class Scores:
    """Raw scores of N images of side S; higher is more anomalous.

    Attributes:
        image: `(N,)`.
        maps: `(N, S, S)`.
    """

    image: Tensor
    maps: Tensor


@dataclass(frozen=True)
class BaselinePrediction:
    """What a method says of one image, at that image's own size; the fields mean what `Prediction`'s do."""

    pred_score: float
    pred_label: bool
    threshold: float
    raw_score: float
    anomaly_map: FloatMap = field(repr=False)
    pred_mask: Mask = field(repr=False)


class Shared(TypedDict, total=False):
    """The arguments that every method takes; see `Baseline`."""

    size: int
    seed: int
    held_out: float
    image_fpr: float
    pixel_fpr: float


class Baseline(ABC):
    """A method that learns from normal images.

    Subclasses store their settings in `__init__`, learn in `learn` and score in `score`. Images of both are
    `(N, C, S, S)` float32 in [0, 1], with C 1 for grey and 3 for colour images. Everything random is drawn after
    `torch.manual_seed` of a seed derived from `seed`, which `fit` sets.

    Args:
        size: S, a multiple of 32.
        seed: of everything random; 0 is a seed like any other.
        held_out: share of the normal images that set the threshold and train nothing, as for UTAD.
        image_fpr: rate of normal images above the threshold.
        pixel_fpr: the same for pixels.
    """

    name: str
    """As the benchmark names it."""

    def __init__(
        self,
        *,
        size: int = 128,
        seed: int = 0,
        held_out: float = 0.15,
        image_fpr: float = 0.01,
        pixel_fpr: float = 0.01,
    ) -> None:
        self.size = size
        self.seed = seed
        self.held_out = held_out
        self.image_fpr = image_fpr
        self.pixel_fpr = pixel_fpr
        self.channels_: int | None = None
        self.image_normalisation_: Normalisation | None = None
        self.pixel_normalisation_: Normalisation | None = None

    @abstractmethod
    def learn(self, images: Tensor) -> None:
        """Learns from normal images `(N, C, S, S)`."""

    @abstractmethod
    def score(self, images: Tensor) -> Scores:
        """Raw scores of images `(N, C, S, S)`; called without gradients, which a method may turn on again."""

    def count_parameters(self) -> int:
        """Numbers learnt by gradient descent; 0 before `fit`, and for methods of statistics alone."""
        networks = [
            value
            for value in vars(self).values()
            if isinstance(value, nn.Module) and not isinstance(value, FrozenFeatures)
        ]
        return sum(parameter.numel() for network in networks for parameter in network.parameters())

    def fit(self, data: Category) -> Self:
        """Learns from the normal images of a category; its test images are not touched.

        Raises:
            DatasetError: naming every damaged image, or if there are none.
        """
        loaded = load_images(data.train, size=self.size, channels=None, max_pixels=100_000_000, skip_bad=False)
        self.channels_ = loaded.channels
        held_out = held_out_block(len(loaded.images), self.held_out)
        with torch.random.fork_rng():
            torch.manual_seed(derived_seed(self.seed, f"baseline/{self.name}"))
            self.learn(loaded.images[~held_out])
            scores = self._score_all(loaded.images[held_out])
        pixels = scores.maps.flatten()
        pixels = pixels[:: max(1, len(pixels) // _MAP_SAMPLES)]
        self.image_normalisation_ = fit_normalisation(scores.image, self.image_fpr)
        self.pixel_normalisation_ = fit_normalisation(pixels, self.pixel_fpr)
        return self

    def predict_samples(
        self, samples: Sequence[Sample], *, batch_size: int = 8
    ) -> Iterator[tuple[Sample, BaselinePrediction | ImageReadError]]:
        """Scores a stream of images in bounded memory; an unreadable one gives its error in its place."""
        pending: list[tuple[Sample, Image | ImageReadError]] = []
        for item in iterate_images(samples, max_pixels=100_000_000):
            pending.append(item)
            if len(pending) >= batch_size:
                yield from self._predict_batch(pending)
                pending = []
        yield from self._predict_batch(pending)

    def _predict_batch(
        self, batch: Sequence[tuple[Sample, Image | ImageReadError]]
    ) -> Iterator[tuple[Sample, BaselinePrediction | ImageReadError]]:
        if self.channels_ is None or self.image_normalisation_ is None or self.pixel_normalisation_ is None:
            raise NotFittedError(f"{self.name} is not fitted: call fit")
        readable = [image for _, image in batch if not isinstance(image, ImageReadError)]
        predictions: list[BaselinePrediction] = []
        if readable:
            scores = self._score_all(torch.stack([to_tensor(image, self.size, self.channels_) for image in readable]))
            normalised = self.image_normalisation_.apply(scores.image)
            maps = self.pixel_normalisation_.apply(scores.maps)
            for index, image in enumerate(readable):
                anomaly_map = upsample(maps[index : index + 1].float(), (image.shape[0], image.shape[1]))[0]
                predictions.append(
                    BaselinePrediction(
                        pred_score=float(normalised[index]),
                        pred_label=float(normalised[index]) > 0.5,
                        threshold=0.5,
                        raw_score=float(scores.image[index]),
                        anomaly_map=anomaly_map.numpy(),
                        pred_mask=segment(anomaly_map).numpy(),
                    )
                )
        results = iter(predictions)
        for sample, outcome in batch:
            yield sample, outcome if isinstance(outcome, ImageReadError) else next(results)

    def _score_all(self, images: Tensor, batch_size: int = 16) -> Scores:
        with torch.no_grad():
            parts = [self.score(batch) for batch in torch.split(images, batch_size)]
        return Scores(
            torch.cat([part.image for part in parts]).detach().float(),
            torch.cat([part.maps for part in parts]).detach().float(),
        )
