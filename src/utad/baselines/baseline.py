"""What the compared methods have in common: loading, a threshold from normal images, and being an engine."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import ClassVar, NamedTuple, Self

import torch
from torch import Tensor, nn

from utad.baselines.departures import Departures
from utad.baselines.features import FrozenFeatures
from utad.config import ImageConfig
from utad.data.loading import load_images
from utad.data.subsets import fold_indices, held_out_block
from utad.data.tensors import to_tensor
from utad.data.tiled_images import load_tiles
from utad.data.tiling import Tiling
from utad.errors import ConfigError, NotFittedError
from utad.scoring.image_scores import whole_image_scores
from utad.scoring.normalisation import Normalisation, fit_normalisation, sampled_pixels, without_gap
from utad.scoring.perceptual import upsample
from utad.seeding import derived_seed
from utad.types import Category, EngineResult, Image

MAX_PIXELS = 100_000_000
FROM_ALL_BUT_HELD_OUT = "normal images without the held-out share, as UTAD's networks; threshold as UTAD's"
"""What a method that is trained once, by `_fit_once`, learns from."""


class Scores(NamedTuple):
    """Raw scores of N images of side S; higher is more anomalous.

    Attributes:
        image: `(N,)`.
        maps: `(N, S, S)`.
    """

    image: Tensor
    maps: Tensor


@dataclass(kw_only=True, eq=False)
class Baseline(ABC):
    """A method that learns from normal images; once fitted it is an engine for `utad.predictor.Predictor`.

    Subclasses are dataclasses of their settings that learn in `learn` and score in `score`. Images of both are
    `(N, C, S, S)` float32 in [0, 1], with C 1 for grey and 3 for colour images. What is learnt is kept in attributes
    whose names end in `_`, which `learn` sets. Everything random is drawn after `torch.manual_seed` of a seed derived
    from `seed`, which `fit` sets.

    Args:
        size: S, a multiple of 32.
        seed: of everything random; 0 is a seed like any other.
        held_out: share of the normal images that train no network, as for UTAD.
        folds: of the cross-fitting that sets the threshold, as for UTAD.
        image_fpr: rate of normal images above the threshold.
        pixel_fpr: the same for pixels.
        image: the section of UTAD's config that says how images are cut into tiles; None for whole images.
        device: that computes, such as `cuda`.
    """

    name: ClassVar[str]
    """As the benchmark names it."""

    departs: ClassVar[Departures]
    """What it leaves out of its source; `{setting}` stands for the value of a setting. The steps are settings too."""

    learns_from: ClassVar[str] = "all normal images; threshold cross-fitted"
    """What of the normal images it learns from, and how they set its threshold."""

    needs_power_of_two: ClassVar[bool] = False
    """Whether the size must be a power of two of at least 32, as for DCGAN's networks."""

    max_batch = 8
    same_size = False
    streams = 1

    size: int = 128
    seed: int = 0
    held_out: float = 0.15
    folds: int = 5
    image_fpr: float = 0.01
    pixel_fpr: float = 0.01
    image: ImageConfig | None = None
    device: str = "cpu"
    channels_: int | None = field(default=None, init=False, repr=False)
    image_normalisation_: Normalisation | None = field(default=None, init=False, repr=False)
    pixel_normalisation_: Normalisation | None = field(default=None, init=False, repr=False)
    tiling_: Tiling | None = field(default=None, init=False, repr=False)

    @abstractmethod
    def learn(self, images: Tensor) -> None:
        """Learns from normal images `(N, C, S, S)`."""

    @abstractmethod
    def score(self, images: Tensor) -> Scores:
        """Raw scores of images `(N, C, S, S)`; called without gradients, which a method may turn on again."""

    def training_steps(self) -> str:
        """How long it is trained with these settings; empty for statistics alone."""
        return ""

    def departures(self) -> Departures:
        """What it leaves out of its source, with these settings and the steps of them."""
        changes = tuple(change.format_map(vars(self)) for change in self.departs.changes)
        return replace(self.departs, changes=changes, steps=self.training_steps())

    def check_fitted(self) -> None:
        """Refuses to go on if nothing has been learnt.

        Raises:
            NotFittedError: naming the method.
        """
        if not any(name.endswith("_") for name in vars(self)):
            raise NotFittedError(f"{self.name} is not fitted: call fit")

    def count_parameters(self) -> int:
        """Numbers learnt by gradient descent; 0 before `fit`, and for methods of statistics alone."""
        networks = [
            value
            for value in vars(self).values()
            if isinstance(value, nn.Module) and not isinstance(value, FrozenFeatures)
        ]
        return sum(parameter.numel() for network in networks for parameter in network.parameters())

    def fit(self, data: Category) -> Self:
        """Learns from the normal images of a category and sets the threshold on them; its test images are not touched.

        Raises:
            ConfigError: if the method does not take images of this size.
            DatasetError: naming every damaged image, or if there are none.
        """
        if self.needs_power_of_two and (self.size < 32 or self.size & (self.size - 1)):
            raise ConfigError(
                f"{self.name}: got images of {self.size} pixels, expected a power of two of at least 32: set "
                f"{self.name}.size"
            )
        tiles = None
        if self.image is not None:
            tiles = load_tiles(data.train, self.image.model_copy(update={"size": self.size}))
            loaded, image_of = tiles.tiles, tiles.image_of
        else:
            loaded = load_images(data.train, size=self.size, channels=None, max_pixels=MAX_PIXELS, skip_bad=False)
            image_of = torch.arange(len(loaded.images))
        self.channels_ = loaded.channels
        with torch.random.fork_rng():
            scores = self._fit(loaded.images, image_of)
        of_images = scores.image
        if tiles is not None:
            found = whole_image_scores(scores.image, tiles)
            of_images = found.scores[~found.scores.isnan()]
            self.tiling_ = replace(tiles.tiling, growth=found.growth)
        self.image_normalisation_ = fit_normalisation(of_images, self.image_fpr)
        self.pixel_normalisation_ = fit_normalisation(sampled_pixels(scores.maps), self.pixel_fpr)
        return self

    def run(self, images: Sequence[Image], *, concurrent: bool = False) -> list[EngineResult]:
        """One result per image, or tile, `(H, W, 3)`, uint8 or uint16, at that image's own size.

        Raises:
            NotFittedError: before `fit`.
        """
        del concurrent
        if self.channels_ is None or self.image_normalisation_ is None or self.pixel_normalisation_ is None:
            raise NotFittedError(f"{self.name} is not fitted: call fit")
        scores = self._score_all(torch.stack([to_tensor(image, self.size, self.channels_) for image in images]))
        normalised = self.image_normalisation_.apply(scores.image)
        maps = self.pixel_normalisation_.apply(scores.maps)
        return [
            EngineResult(
                raw_score=float(scores.image[index]),
                pred_score=float(normalised[index]),
                anomaly_map=upsample(maps[index : index + 1], (image.shape[0], image.shape[1]))[0].numpy(),
            )
            for index, image in enumerate(images)
        ]

    def _fit(self, images: Tensor, image_of: Tensor) -> Scores:
        """Learns from all images, and gives the scores of each after learning from the others without its fold.

        Args:
            images: `(M, C, S, S)`, tiles of images or whole ones.
            image_of: which image each is of, `(M,)` int64.
        """
        fold_of = fold_indices(int(image_of.max()) + 1, self.folds)[image_of]
        scores = Scores(images.new_empty(len(images)), images.new_empty(len(images), *images.shape[2:]))
        for fold in range(int(fold_of.max()) + 1):
            left_out = fold_of == fold
            self._learn(images[~left_out])
            scores.image[left_out], scores.maps[left_out] = self._score_all(images[left_out])
        self._learn(images)
        return scores

    def _fit_once(self, images: Tensor, image_of: Tensor) -> Scores:
        """Learns from all but the held-out images, and gives the scores of all; for methods that take long to train.

        The scores of the images that it learnt from have the gap between the medians of both groups added.

        Args:
            images: `(M, C, S, S)`, tiles of images or whole ones.
            image_of: which image each is of, `(M,)` int64.
        """
        trained_on = ~held_out_block(int(image_of.max()) + 1, self.held_out)[image_of]
        self._learn(images[trained_on])
        scores = self._score_all(images)
        return Scores(without_gap(scores.image, trained_on), scores.maps)

    def _learn(self, images: Tensor) -> None:
        torch.manual_seed(derived_seed(self.seed, f"baseline/{self.name}"))
        with self._on_device():
            self.learn(images.to(self.device))

    def _score_all(self, images: Tensor) -> Scores:
        with self._on_device():
            return Scores(*in_batches(self._scores, images))

    def _scores(self, images: Tensor) -> tuple[Tensor, ...]:
        return tuple(part.float().cpu() for part in self.score(images.to(self.device)))

    def _on_device(self) -> AbstractContextManager[object]:
        """What a method makes in the block without naming a device is made on that of this one."""
        # A context for the CPU too would slow down every call of torch for nothing.
        return nullcontext() if self.device == "cpu" else torch.device(self.device)


def in_batches(function: Callable[[Tensor], tuple[Tensor, ...]], images: Tensor, size: int = 16) -> tuple[Tensor, ...]:
    """The tensors that a function gives for images `(N, C, S, S)`, computed `size` at a time without gradients."""
    with torch.no_grad():
        parts = [function(batch) for batch in torch.split(images, size)]
        return tuple(torch.cat(part) for part in zip(*parts, strict=True))
