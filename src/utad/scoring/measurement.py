"""The two measurements behind one interface: Eq. 8 as printed, and the calibrated one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from utad.config import Config, ScoringConfig
from utad.scoring.features import StageFeatures
from utad.scoring.gaussian import GaussianTerm
from utad.scoring.neighbours import NeighboursTerm
from utad.scoring.perceptual import perceptual_maps, perceptual_measurement, upsample
from utad.scoring.state import FittedModule
from utad.scoring.terms import build_term, term_vectors

RUNS_PER_FOLD = 4


@dataclass(frozen=True)
class Measured:
    """Raw values, before normalisation; higher is more anomalous.

    Attributes:
        score: `(N,)`.
        anomaly_map: `(N, S, S)`.
        term_maps: each term's own map by name, `(N, S, S)`, on its own scale.
    """

    score: Tensor
    anomaly_map: Tensor
    term_maps: dict[str, Tensor]


class Measurement(nn.Module, ABC):
    """From the features of the four images to a map and a score."""

    vector_names: tuple[str, ...] = ()
    """Names of the vectors that `fit` needs of every normal image; none if nothing is fitted."""

    @abstractmethod
    def forward(self, features: Sequence[StageFeatures], size: int) -> Measured:
        """Features of N images, and S, to raw values."""


class PaperMeasurement(Measurement):
    """Eq. 8 as printed. The paper names no image score: it is the mean of the highest part of the map."""

    def __init__(self, config: ScoringConfig) -> None:
        super().__init__()
        # Pixels have no stages to weight.
        self.weights = config.stage_weights if config.space == "features" else None
        self.pairs = config.pairs
        self.top_fraction = config.top_fraction

    def forward(self, features: Sequence[StageFeatures], size: int) -> Measured:
        """Sum of the perceptual distances; the terms are the pairs."""
        anomaly_map = perceptual_measurement(features, size, self.weights, self.pairs)
        maps = perceptual_maps(features, size, self.pairs)
        terms: dict[str, Tensor] = {pair: torch.stack(stages).sum(dim=0) for pair, stages in maps.items()}
        return Measured(top_mean(anomaly_map, self.top_fraction), anomaly_map, terms)


class CalibratedMeasurement(Measurement):
    """Terms, each described on normal images and brought to a common scale there, then averaged.

    For the map, a term's values are centred and divided by their spread over the pixels of normal images; for
    the score, its top mean is, over normal images. Both spreads come from images left out when the term was
    fitted (cross-fitting), since distances of images that a term was fitted on are too small.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.vector_names = config.scoring.terms
        self.terms = nn.ModuleDict(
            {name: build_term(name, config.scoring, config.seed) for name in config.scoring.terms}
        )
        self.scales = nn.ModuleDict({name: TermScale() for name in config.scoring.terms})

    def fit(self, vectors: Mapping[str, Tensor], size: int) -> Measured:
        """Fits every term to normal images, and its scale by cross-fitting.

        Args:
            vectors: of each of `vector_names`, `(N, C, g, g)` of all normal images.
            size: S, the side of the images.

        Returns:
            Raw values of the same images, each measured by terms that were fitted without it.
        """
        held_out: dict[str, Tensor] = {}
        for name in self.vector_names:
            term = self._term(name).fit(vectors[name])
            held_out[name] = self._cross_fit(term, vectors[name])
            self._scale(name).fit(held_out[name], top_mean(held_out[name], self.config.scoring.top_fraction))
        return self._combine(held_out, size)

    def forward(self, features: Sequence[StageFeatures], size: int) -> Measured:
        """Average of the scaled terms."""
        return self._combine({name: self._term(name)(term_vectors(name, features)) for name in self.vector_names}, size)

    def _combine(self, maps: Mapping[str, Tensor], size: int) -> Measured:
        fraction = self.config.scoring.top_fraction
        scaled_maps, scaled_scores = [], []
        for name in self.vector_names:
            scale = self._scale(name)
            scaled_maps.append(upsample(scale.of_map(maps[name]), size))
            scaled_scores.append(scale.of_score(top_mean(maps[name], fraction)))
        return Measured(
            torch.stack(scaled_scores).mean(dim=0),
            torch.stack(scaled_maps).mean(dim=0),
            {name: upsample(maps[name], size) for name in self.vector_names},
        )

    def _term(self, name: str) -> GaussianTerm | NeighboursTerm:
        term = self.terms[name]
        assert isinstance(term, GaussianTerm | NeighboursTerm)
        return term

    def _scale(self, name: str) -> TermScale:
        scale = self.scales[name]
        assert isinstance(scale, TermScale)
        return scale

    def _cross_fit(self, term: GaussianTerm | NeighboursTerm, vectors: Tensor) -> Tensor:
        """Maps `(N, g, g)`, each of a term fitted on the other folds."""
        fold_of = fold_indices(len(vectors), self.config.calibration.folds)
        maps = vectors.new_empty(len(vectors), *vectors.shape[2:])
        for fold in range(int(fold_of.max()) + 1):
            left_out = fold_of == fold
            maps[left_out] = term.fit_like(vectors[~left_out])(vectors[left_out])
        return maps


class TermScale(FittedModule):
    """Centre and spread of one term on normal images, for its map and for its score."""

    of_pixels: Tensor
    of_images: Tensor

    def __init__(self) -> None:
        super().__init__(("of_pixels", "of_images"))

    def fit(self, maps: Tensor, scores: Tensor) -> None:
        """Fits to maps `(N, g, g)` and scores `(N,)` of normal images."""
        self.of_pixels, self.of_images = _centre_and_spread(maps), _centre_and_spread(scores)

    def of_map(self, maps: Tensor) -> Tensor:
        """Maps of any shape, centred and scaled."""
        return (maps - self.of_pixels[0]) / self.of_pixels[1]

    def of_score(self, scores: Tensor) -> Tensor:
        """Scores of any shape, centred and scaled."""
        return (scores - self.of_images[0]) / self.of_images[1]


def fold_indices(count: int, folds: int) -> Tensor:
    """The fold of each of `count` images, `(count,)` int64: short runs of neighbours take turns.

    Neighbours in time or space resemble each other: single images drawn at random would be measured by their
    twins, and a whole fifth left out at once may be the only one of its kind. Runs lie between the two.
    """
    folds = min(folds, count)
    runs = min(count, folds * RUNS_PER_FOLD)
    return (torch.arange(count) * runs // count) % folds


def top_mean(maps: Tensor, fraction: float) -> Tensor:
    """Mean of the highest `fraction` of each map, at least one value: `(N, H, W)` to `(N,)`."""
    values = maps.flatten(1)
    return values.topk(max(1, round(fraction * values.shape[1])), dim=1).values.mean(dim=1)


def build_measurement(config: Config) -> Measurement:
    """The measurement that the config names."""
    if config.scoring.method == "paper":
        return PaperMeasurement(config.scoring)
    return CalibratedMeasurement(config)


def _centre_and_spread(values: Tensor) -> Tensor:
    flat = values.detach().double().flatten()
    spread = float(flat.std(unbiased=False))
    return torch.tensor([float(flat.mean()), max(spread, 1e-6 * max(1.0, float(flat.abs().max())))])
