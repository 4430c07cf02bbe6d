"""The two measurements behind one interface: Eq. 8 as printed, and the calibrated one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from utad.config import Config, ScoringConfig
from utad.models.two_stage import ALL_IMAGES, ImageName, Restoration
from utad.scoring.contrast import CorruptedVectors
from utad.scoring.features import StageFeatures, in_even_light
from utad.scoring.gaussian import GaussianTerm
from utad.scoring.neighbours import NeighboursTerm
from utad.scoring.perceptual import perceptual_maps, perceptual_measurement, upsample
from utad.scoring.scale import TermScale, top_means
from utad.scoring.terms import build_term, has_map, images_of, term_vectors

RUNS_PER_FOLD = 4


@dataclass(frozen=True)
class Measured:
    """Raw values, before normalisation; higher is more anomalous.

    Attributes:
        score: `(N,)`.
        anomaly_map: `(N, S, S)`.
        term_maps: each term's own map by name, `(N, S, S)`; calibrated ones on the scale of normal images, 0
            their mean and 1 one spread above, those of Eq. 8 as they are.
    """

    score: Tensor
    anomaly_map: Tensor
    term_maps: dict[str, Tensor]


class Measurement(nn.Module, ABC):
    """From the features of the four images to a map and a score.

    Attributes:
        needed: the images whose features are compared.
    """

    needed: Collection[ImageName] = ALL_IMAGES

    vector_names: tuple[str, ...] = ()
    """Names of the vectors that `fit` needs of every normal image; none if nothing is fitted."""

    def prepare(self, restoration: Restoration) -> Restoration:
        """The four images as the backbone is to see them."""
        return restoration

    @abstractmethod
    def forward(self, features: Sequence[StageFeatures], size: int) -> Measured:
        """Features of N images, and S, to raw values."""


class PaperMeasurement(Measurement):
    """Eq. 8 as printed. The paper names no image score: it is the mean of the highest parts of the map."""

    def __init__(self, config: ScoringConfig) -> None:
        super().__init__()
        # Pixels have no stages to weight.
        self.weights = config.stage_weights if config.space == "features" else None
        self.pairs = config.pairs
        self.top_fractions = config.top_fractions

    def forward(self, features: Sequence[StageFeatures], size: int) -> Measured:
        """Sum of the perceptual distances; the terms are the pairs."""
        anomaly_map = perceptual_measurement(features, size, self.weights, self.pairs)
        maps = perceptual_maps(features, size, self.pairs)
        terms: dict[str, Tensor] = {pair: torch.stack(stages).sum(dim=0) for pair, stages in maps.items()}
        return Measured(top_means(anomaly_map, self.top_fractions).mean(dim=1), anomaly_map, terms)


class CalibratedMeasurement(Measurement):
    """Terms, each described on normal images and brought to a common scale there, then averaged.

        map(p)  = mean over terms t with a map of  (d_t(p) - mu_t(p)) / sigma_t(p)
        score   = mean over terms t and fractions f of  (top_tf - mean(top_tf)) / std(top_tf)

    d_t is the term's distance, mu_t(p) and sigma_t(p) its mean and standard deviation at position p over normal
    images, top_tf the mean of the highest part f of the standardised map. All statistics come from images left out
    when the term was fitted (cross-fitting), since distances of images that a term was fitted on are too small.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.vector_names = config.scoring.terms
        self.terms = nn.ModuleDict(
            {name: build_term(name, config.scoring, config.seed) for name in config.scoring.terms}
        )
        self.needed = images_of(config.scoring.terms)
        self.scales = nn.ModuleDict({name: TermScale(config.scoring.top_fractions) for name in config.scoring.terms})

    def prepare(self, restoration: Restoration) -> Restoration:
        """In even light, unless that is switched off."""
        return in_even_light(restoration) if self.config.scoring.even_light else restoration

    def fit(
        self, vectors: Mapping[str, Tensor], size: int, corrupted: Mapping[str, CorruptedVectors] | None = None
    ) -> Measured:
        """Fits every term to normal images, and its scale by cross-fitting.

        Args:
            vectors: of each of `vector_names`, `(N, C, g, g)` of all normal images.
            size: S, the side of the images.
            corrupted: of each of `vector_names`, vectors of corrupted copies of these images, if there are any.

        Returns:
            Raw values of the same images, each measured by terms and scales that were fitted without it.
        """
        maps: dict[str, Tensor] = {}
        scores: list[Tensor] = []
        for name in self.vector_names:
            changed = corrupted[name] if corrupted is not None else None
            term = self._term(name).fit(vectors[name], changed)
            standardised = self._scale(name).fit(self._cross_fit(term, vectors[name], changed))
            maps[name] = standardised.maps
            scores.append(standardised.scores)
        return _average(maps, scores, size)

    def forward(self, features: Sequence[StageFeatures], size: int) -> Measured:
        """Average of the standardised terms."""
        maps = {
            name: self._scale(name).of_map(self._term(name)(term_vectors(name, features))) for name in self.vector_names
        }
        return _average(maps, [self._scale(name).of_score(values) for name, values in maps.items()], size)

    def _term(self, name: str) -> GaussianTerm | NeighboursTerm:
        term = self.terms[name]
        assert isinstance(term, GaussianTerm | NeighboursTerm)
        return term

    def _scale(self, name: str) -> TermScale:
        scale = self.scales[name]
        assert isinstance(scale, TermScale)
        return scale

    def _cross_fit(
        self, term: GaussianTerm | NeighboursTerm, vectors: Tensor, corrupted: CorruptedVectors | None
    ) -> Tensor:
        """Maps `(N, g, g)`, each of a term fitted on the other folds."""
        fold_of = fold_indices(len(vectors), self.config.calibration.folds)
        maps = vectors.new_empty(len(vectors), *vectors.shape[2:])
        for fold in range(int(fold_of.max()) + 1):
            left_out = fold_of == fold
            others = corrupted.without(left_out) if corrupted is not None else None
            maps[left_out] = term.fit_like(vectors[~left_out], others)(vectors[left_out])
        return maps


def _average(maps: Mapping[str, Tensor], scores: Sequence[Tensor], size: int) -> Measured:
    # What says only whether has a map of one value; it would lift the whole image without saying where.
    placed = [values for name, values in maps.items() if has_map(name)] or list(maps.values())
    # Enlarging is linear: maps of the same size are added up while they are small.
    sums: dict[int, Tensor] = {}
    for values in placed:
        side = values.shape[-1]
        sums[side] = sums[side] + values if side in sums else values
    enlarged = torch.stack([upsample(values, size) for values in sums.values()])
    return Measured(
        torch.stack(list(scores)).mean(dim=0),
        enlarged.sum(dim=0) / len(placed),
        {name: upsample(values, size) for name, values in maps.items()},
    )


def fold_indices(count: int, folds: int) -> Tensor:
    """The fold of each of `count` images, `(count,)` int64: short runs of neighbours take turns.

    Neighbours in time or space resemble each other: single images drawn at random would be measured by their
    twins, and a whole fifth left out at once may be the only one of its kind. Runs lie between the two.
    """
    folds = min(folds, count)
    runs = min(count, folds * RUNS_PER_FOLD)
    return (torch.arange(count) * runs // count) % folds


def build_measurement(config: Config) -> Measurement:
    """The measurement that the config names."""
    if config.scoring.method == "paper":
        return PaperMeasurement(config.scoring)
    return CalibratedMeasurement(config)
