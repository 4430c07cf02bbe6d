"""The two measurements behind one interface: Eq. 8 as printed, and the calibrated one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor, nn

from utad.config import Config, ScoringConfig
from utad.data.subsets import fold_indices
from utad.data.tile_places import TilePlaces
from utad.data.working_region import WorkingRegion, at_pixels, pixels_of
from utad.models.two_stage import ALL_IMAGES, PAIRS, Features, ImageName
from utad.scoring.components import COMPONENTS, ScoreComponent, build_component, feature_vectors, refuse_unknown
from utad.scoring.feature_weighting import AnomalousVectors
from utad.scoring.perceptual import perceptual_maps, upsample
from utad.scoring.standardisation import top_k_means, top_k_parts


@dataclass(frozen=True)
class Measured:
    """Raw values, before normalisation; higher is more anomalous.

    Attributes:
        score: `(N,)`.
        anomaly_map: `(N, S, S)`.
        component_maps: each component's own map by name, `(N, S, S)`; calibrated ones standardised (0 is the mean of
            normal images, 1 one standard deviation above), those of Eq. 8 as they are, one per pair.
        score_parts: what each component has of `score`, by name, `(N,)`: they add up to it. Empty where nobody asks.
    """

    score: Tensor
    anomaly_map: Tensor
    component_maps: dict[str, Tensor]
    score_parts: dict[str, Tensor] = field(default_factory=dict)


class Measurement(nn.Module, ABC):
    """From the features of the compared images to a map and a score.

    Attributes:
        compared: the images whose features it needs.
        component_names: of the component maps that it gives, in their order.
        scored: of the parts that its score has, in their order.
        weighted: whether `fit` uses synthetic anomalies.
        by_component: whether an image in tiles has the highest of them component by component (`Tiling`).
        restores_features: whether it compares the feature impression.
    """

    compared: tuple[ImageName, ...]
    component_names: tuple[str, ...]
    scored: tuple[str, ...]
    weighted: bool = False
    by_component: bool = False
    restores_features: bool = False

    @property
    def placed(self) -> bool:
        """Whether the places of tiles have statistics of their own; none have before it was fitted."""
        return False

    @abstractmethod
    def forward(self, features: Sequence[Features], size: int, places: Tensor | None = None) -> Measured:
        """From features to raw values.

        Args:
            features: of N images, one entry per stage.
            size: S.
            places: of the images, where they are tiles and `placed`, `(N,)` int64, the number of places where it is
                not known; None where none is, or they are images themselves.
        """

    @abstractmethod
    def collect(self, features: Sequence[Features], size: int) -> dict[str, Tensor]:
        """What `fit` needs of a batch of N normal images, tensors of N rows by name."""

    def parts_without_fold(self, features: Sequence[Features], size: int, fold: int, places: Tensor | None) -> Tensor:
        """What makes the raw scores, by what was fitted without the images of a fold; where nothing is, as `forward`.

        Args:
            features: of N images that `fit` got none of, but for those of the fold.
            size: S.
            fold: of those that `fit` was given; what it needs is there until `forget_folds`.
            places: as for `forward`.

        Returns:
            Their K parts where they go by component, and the scores themselves otherwise, `(N, K)`.
        """
        del fold
        measured: Measured = self(features, size, places)
        return measured.score[:, None]

    def forget_folds(self) -> None:
        """Gives up what `parts_without_fold` needs."""

    @abstractmethod
    def fit(
        self,
        collected: dict[str, Tensor],
        size: int,
        anomalous: Mapping[str, AnomalousVectors] | None,
        fold_of: Tensor | None = None,
        places: TilePlaces | None = None,
    ) -> Measured:
        """Fits to normal images.

        Args:
            collected: what `collect` gives, of all normal images; it may be emptied on the way, which saves memory.
            size: S, the side of the images.
            anomalous: by the same names, the vectors at synthetic anomalies; None where there are none.
            fold_of: the fold of each image of the cross-fitting, `(N,)` int64, which are kept for `parts_without_fold`;
                None for `fold_indices`.
            places: of the images, where they are tiles whose places are to have statistics of their own.

        Returns:
            Raw values of the same images, each measured without having been learnt from.
        """


class PaperMeasurement(Measurement):
    """Eq. 8 as printed. The paper names no image score: it is the mean of the top-k means of the map.

    Args:
        config: of the scoring.
        region: of whose pixels the score is made; None for the whole image.
    """

    counted: Tensor | None

    def __init__(self, config: ScoringConfig, region: WorkingRegion | None = None) -> None:
        super().__init__()
        # Known from the model's region: no part of its weights.
        self.register_buffer("counted", pixels_of(region), persistent=False)
        # Pixels have no stages to weight.
        self.weights = config.stage_weights if config.space == "features" else None
        self.pairs = self.component_names = self.scored = config.pairs
        self.compared = tuple(name for name in ALL_IMAGES if any(name in PAIRS[pair] for pair in config.pairs))
        self.top_fractions = config.top_fractions

    def forward(self, features: Sequence[Features], size: int, places: Tensor | None = None) -> Measured:
        """Sum of the perceptual distances; the components are the pairs, and places have no part in them."""
        del places
        maps = perceptual_maps(features, size, self.weights, self.pairs)
        anomaly_map = torch.stack(list(maps.values())).sum(dim=0)
        seen = [at_pixels(values, self.counted) for values in maps.values()]
        parts = top_k_parts(seen, self.top_fractions).mean(dim=2)  # (pairs, N)
        score = top_k_means(at_pixels(anomaly_map, self.counted), self.top_fractions).mean(dim=1)
        return Measured(score, anomaly_map, maps, dict(zip(maps, parts, strict=True)))

    def collect(self, features: Sequence[Features], size: int) -> dict[str, Tensor]:
        """Scores and maps: nothing is learnt."""
        measured = self(features, size)
        return {"score": measured.score, "anomaly_map": measured.anomaly_map}

    def fit(
        self,
        collected: dict[str, Tensor],
        size: int,
        anomalous: Mapping[str, AnomalousVectors] | None,
        fold_of: Tensor | None = None,
        places: TilePlaces | None = None,
    ) -> Measured:
        """Nothing is fitted."""
        del size, anomalous, fold_of, places
        return Measured(collected["score"], collected["anomaly_map"], {})


class CalibratedMeasurement(Measurement):
    """Score components, each compared with its distribution on normal images, standardised and averaged.

        map(p)  = mean over map components c of              (d_c(p) - mu_c(p)) / sigma_c(p)
        score   = mean over components c and fractions f of  (top_cf - mean(top_cf)) / std(top_cf)

    d_c is the feature distance of the component, mu_c(p) and sigma_c(p) its mean and standard deviation at position p
    over normal images, top_cf the mean of the highest fraction f of the standardised map. All statistics come from
    images left out when the distance was fitted (cross-fitting), since distances of images that it was fitted on are
    too small.

    Args:
        config: the resolved config.
        region: of whose positions the statistics and scores are made; None for the whole image.
    """

    weighted = True
    by_component = True

    def __init__(self, config: Config, region: WorkingRegion | None = None) -> None:
        super().__init__()
        self.region = region
        scoring = config.scoring
        refuse_unknown(scoring)
        self.folds = config.calibration.folds
        self.scored = scoring.components
        # A component of the whole image says whether and not where; its one value would lift the map everywhere.
        placed = tuple(name for name in scoring.components if COMPONENTS[name].grid is not None)
        self.mapped = scoring.map_components or placed or scoring.components
        self.component_names = tuple(dict.fromkeys((*self.scored, *self.mapped)))
        self.components = nn.ModuleDict(
            {
                name: build_component(name, scoring, config.seed, regional=region is not None)
                for name in self.component_names
            }
        )
        specs = [component.spec for component in self._components().values()]
        self.compared = tuple(name for name in ALL_IMAGES if any(name in spec.images for spec in specs))
        self.restores_features = any("feature_impression" in spec.images for spec in specs)

    @property
    def placed(self) -> bool:
        """Whether the places of tiles have statistics of their own."""
        return any(component.standardisation.placed for component in self._components().values())

    def forward(self, features: Sequence[Features], size: int, places: Tensor | None = None) -> Measured:
        """Average of the standardised components."""
        components = self._components()
        maps = {name: component(features, places) for name, component in components.items()}
        scores = {name: components[name].standardisation.of_score(maps[name]) for name in self.scored}
        return self._average(maps, scores, size)

    def parts_without_fold(self, features: Sequence[Features], size: int, fold: int, places: Tensor | None) -> Tensor:
        """The parts by distances and standardisations that were fitted without the images of a fold; no map is made."""
        del size
        scored = [self._components()[name] for name in self.scored]
        scores = [one.standardisation.of_score(one.without_fold(features, fold, places)) for one in scored]
        return torch.stack(scores, dim=1) / len(scores)

    def forget_folds(self) -> None:
        """Gives up the distances of all folds."""
        for component in self._components().values():
            component.forget_folds()

    def rescale_scores(self, means: Tensor, deviations: Tensor) -> None:
        """Puts the K parts of the score on another scale, and then averages them as before.

        Args:
            means: of the parts as `score_parts` has them now, `(K,)`: what becomes 0.
            deviations: likewise, above 0, `(K,)`: what becomes 1.
        """
        # A part is a component's score, divided by their number.
        components, count = self._components(), len(self.scored)
        for name, mean, deviation in zip(self.scored, means.tolist(), deviations.tolist(), strict=True):
            components[name].standardisation.rescale_scores(count * mean, count * deviation)

    def collect(self, features: Sequence[Features], size: int) -> dict[str, Tensor]:
        """The feature vectors of each component, `(N, C, g, g)`."""
        del size
        return {name: feature_vectors(component.spec, features) for name, component in self._components().items()}

    def fit(
        self,
        collected: dict[str, Tensor],
        size: int,
        anomalous: Mapping[str, AnomalousVectors] | None,
        fold_of: Tensor | None = None,
        places: TilePlaces | None = None,
    ) -> Measured:
        """Fits every component."""
        maps: dict[str, Tensor] = {}
        scores: dict[str, Tensor] = {}
        for name, component in self._components().items():
            vectors = collected.pop(name)
            folds = (fold_indices(len(vectors), self.folds) if fold_of is None else fold_of).to(vectors.device)
            positions = self.region.positions(vectors.shape[-1]).to(vectors.device) if self.region else None
            at_anomalies = anomalous[name] if anomalous is not None else None
            keep = fold_of is not None and name in self.scored
            standardised = component.fit(vectors, at_anomalies, folds, positions, places, keep_folds=keep)
            maps[name] = standardised.maps
            if name in self.scored:
                scores[name] = standardised.scores
        return self._average(maps, scores, size)

    def _components(self) -> dict[str, ScoreComponent]:
        return {name: cast("ScoreComponent", module) for name, module in self.components.items()}

    def _average(self, maps: Mapping[str, Tensor], scores: Mapping[str, Tensor], size: int) -> Measured:
        # Enlarging is linear: maps of the same size are added up while they are small.
        sums: dict[int, Tensor] = {}
        for name in self.mapped:
            side = int(maps[name].shape[-1])
            sums[side] = sums[side] + maps[name] if side in sums else maps[name]
        enlarged = torch.stack([upsample(values, size) for values in sums.values()])
        return Measured(
            torch.stack(list(scores.values())).mean(dim=0),
            enlarged.sum(dim=0) / len(self.mapped),
            {name: upsample(values, size) for name, values in maps.items()},
            {name: score / len(scores) for name, score in scores.items()},
        )


def build_measurement(config: Config, region: WorkingRegion | None = None) -> Measurement:
    """The measurement that the config names, of a region of interest or of the whole image."""
    if config.scoring.method == "paper":
        return PaperMeasurement(config.scoring, region)
    return CalibratedMeasurement(config, region)
