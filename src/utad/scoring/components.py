"""The components of the calibrated measurement by name: which features each compares, at which positions, and how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn import functional

from utad.config import ScoringConfig
from utad.data.tile_places import TilePlaces
from utad.errors import ConfigError
from utad.models.two_stage import PAIRS, FeatureName, Features
from utad.scoring.distance import FeatureDistance
from utad.scoring.feature_weighting import AnomalousVectors
from utad.scoring.features import at_side
from utad.scoring.gaussian import GaussianDistance
from utad.scoring.neighbours import NeighbourDistance
from utad.scoring.standardisation import Standardisation, Standardised

COARSE = 2
"""The stage from whose grid on places of tiles have statistics of their own: what is finer does not lie still."""

_BATCH = 16


@dataclass(frozen=True)
class ComponentSpec:
    """What a component compares.

    Attributes:
        images: whose features are taken as they are, or two, whose difference is taken.
        first: the first stage it uses, as an index into `backbone.stages`; clipped to those there are.
        last: the last one.
        grid: the stage whose resolution the map has; None for one vector per image, the mean over all positions.
        windows: sides of the windows that features are averaged over, in positions of the grid; the averages of all
            windows are concatenated. A defect that fills a window stands out from the noise of a busy surface; two
            windows tell a position from its surroundings; 1 leaves features as they are.
        neighbours: nearest-neighbour distance instead of the Gaussian one.
    """

    images: tuple[FeatureName, ...]
    first: int
    last: int
    grid: int | None
    windows: tuple[int, ...] = (3,)
    neighbours: bool = False

    @property
    def knows_places(self) -> bool:
        """Whether the places of tiles get statistics of their own."""
        return self.grid is None or self.grid >= COARSE


_X: tuple[FeatureName, ...] = ("image",)
_RESTORED_FEATURES: tuple[FeatureName, ...] = ("image", "feature_impression")

COMPONENTS: Mapping[str, ComponentSpec] = MappingProxyType(
    {
        "input": ComponentSpec(_X, 1, 3, 2),
        "input-fine": ComponentSpec(_X, 0, 2, 2),
        "input-near": ComponentSpec(_X, 0, 2, 2, windows=(1, 3)),
        "input-wide": ComponentSpec(_X, 0, 1, 1, windows=(9,)),
        "input-detail": ComponentSpec(_X, 0, 1, 1, windows=(1, 3)),
        "input-finest": ComponentSpec(_X, 0, 0, 0, windows=(1, 3)),
        "impression": ComponentSpec(PAIRS["x - m"], 1, 3, 2),
        "impression-fine": ComponentSpec(PAIRS["x - m"], 0, 2, 2),
        "residual": ComponentSpec(PAIRS["x - x_hat"], 1, 3, 2),
        "residual-fine": ComponentSpec(PAIRS["x - x_hat"], 0, 2, 2),
        "naive": ComponentSpec(PAIRS["m - m_hat"], 1, 3, 2),
        "naive-fine": ComponentSpec(PAIRS["m - m_hat"], 0, 2, 2),
        "restored": ComponentSpec(_RESTORED_FEATURES, 1, 3, 2),
        "restored-near": ComponentSpec(_RESTORED_FEATURES, 0, 2, 2, windows=(1, 3)),
        "restored-whole": ComponentSpec(_RESTORED_FEATURES, 2, 3, None, windows=(1,)),
        "deep": ComponentSpec(_X, 3, 4, 3, windows=(1,)),
        "whole": ComponentSpec(_X, 2, 3, None, windows=(1,)),
        "naive-whole": ComponentSpec(PAIRS["m - m_hat"], 2, 3, None, windows=(1,)),
        # The nearest-neighbour distance averages over 3x3 windows itself.
        "neighbours": ComponentSpec(_X, 1, 2, 2, windows=(1,), neighbours=True),
        "neighbours-fine": ComponentSpec(_X, 0, 1, 1, windows=(1,), neighbours=True),
    }
)


class ScoreComponent(nn.Module):
    """One component: feature vectors, their distance to the normal ones, and its standardisation.

    Args:
        spec: what is compared.
        distance: unfitted, or to be loaded.
        standardisation: likewise.
    """

    def __init__(self, spec: ComponentSpec, distance: FeatureDistance, standardisation: Standardisation) -> None:
        super().__init__()
        self.spec = spec
        self.distance = distance
        self.standardisation = standardisation
        self._of_folds: list[tuple[FeatureDistance, Standardisation]] = []

    def forward(self, features: Sequence[Features], places: Tensor | None = None) -> Tensor:
        """Features, one entry per stage, to the standardised map `(N, g, g)`; g is 1 without a grid.

        Args:
            features: of N images.
            places: of each, `(N,)` int64, where they are tiles whose places have statistics of their own.
        """
        return self._standardised(self.distance, self.standardisation, features, places)

    def without_fold(self, features: Sequence[Features], fold: int, places: Tensor | None = None) -> Tensor:
        """As `forward`, by the distance and the standardisation that were fitted without the images of a fold.

        It is there after a `fit` that kept the folds, until `forget_folds`.
        """
        return self._standardised(*self._of_folds[fold], features, places)

    def forget_folds(self) -> None:
        """Gives up what `without_fold` needs."""
        self._of_folds.clear()

    def fit(
        self,
        vectors: Tensor,
        anomalous: AnomalousVectors | None,
        fold_of: Tensor,
        positions: Tensor | None = None,
        places: TilePlaces | None = None,
        *,
        keep_folds: bool = False,
    ) -> Standardised:
        """Fits the distance to normal vectors `(N, C, g, g)`, and its standardisation by cross-fitting.

        Args:
            vectors: of N normal images.
            anomalous: vectors at synthetic anomalies put into these images, if there are any.
            fold_of: the fold of each image, `(N,)` int64.
            positions: bool `(g, g)`, those that count; None for all.
            places: of the N images, where they are tiles whose places are to have statistics of their own; a component
                of a finer grid has none.
            keep_folds: for `without_fold`.

        Returns:
            The same images, each measured by a distance and a standardisation that were fitted without it.
        """
        self.forget_folds()
        places = places if self.spec.knows_places else None
        if places is not None and anomalous is not None:
            anomalous = anomalous.at_places(places.of)
        self.distance.fit(vectors, anomalous, positions, places)
        maps = vectors.new_empty(len(vectors), *vectors.shape[2:])
        elsewhere = torch.empty_like(maps) if places is not None else None
        distances: list[FeatureDistance] = []
        for fold in range(int(fold_of.max()) + 1):
            left_out = fold_of == fold
            others = anomalous.without(left_out) if anomalous is not None else None
            learnt, asked = (places[chosen] if places is not None else None for chosen in (~left_out, left_out))
            distance = self.distance.unfitted().fit(vectors[~left_out], others, positions, learnt)
            maps[left_out] = distances_of(distance, vectors[left_out], asked)
            if elsewhere is not None and asked is not None:
                elsewhere[left_out] = distances_of(distance, vectors[left_out], asked.unknown)
            if keep_folds:
                distances.append(distance)
        for fold, distance in enumerate(distances):
            known = fold_of != fold
            standardisation = self.standardisation.unfitted()
            at = places[known] if places is not None else None
            standardisation.fit(maps[known], positions, at, elsewhere[known] if elsewhere is not None else None)
            self._of_folds.append((distance, standardisation))
        return self.standardisation.fit(maps, positions, places, elsewhere)

    def _standardised(
        self,
        distance: FeatureDistance,
        standardisation: Standardisation,
        features: Sequence[Features],
        places: Tensor | None,
    ) -> Tensor:
        return standardisation.of_map(distance(feature_vectors(self.spec, features), places), places)


def distances_of(distance: FeatureDistance, vectors: Tensor, places: TilePlaces | None) -> Tensor:
    """Distances `(N, g, g)` of vectors `(N, C, g, g)`, a few at a time; `places` of tiles that have them."""
    if places is None:
        return torch.cat([distance(batch) for batch in torch.split(vectors, _BATCH)])
    batches = zip(torch.split(vectors, _BATCH), torch.split(places.of, _BATCH), strict=True)
    return torch.cat([distance(batch, of) for batch, of in batches])


def refuse_unknown(scoring: ScoringConfig) -> None:
    """Refuses components that there are not, or that have no map where one is named for the map.

    Raises:
        ConfigError: naming the setting.
    """
    for setting, names in (("components", scoring.components), ("map_components", scoring.map_components)):
        for name in names:
            if name not in COMPONENTS:
                raise ConfigError(f"scoring.{setting}: unknown component {name!r}, choose from {', '.join(COMPONENTS)}")
            if setting == "map_components" and COMPONENTS[name].grid is None:
                raise ConfigError(f"scoring.map_components: {name} looks at the image as a whole and has no map")


def build_component(name: str, config: ScoringConfig, seed: int, *, regional: bool = False) -> ScoreComponent:
    """An unfitted component, one of `COMPONENTS`; `regional` if there is a region of interest."""
    spec = COMPONENTS[name]
    distance = NeighbourDistance(config.coreset_size, seed) if spec.neighbours else GaussianDistance()
    return ScoreComponent(spec, distance, Standardisation(config.top_fractions, regional=regional))


def feature_vectors(spec: ComponentSpec, features: Sequence[Features]) -> Tensor:
    """The vectors of a component, `(N, C, g, g)`: stages concatenated at one resolution; g is 1 without a grid."""
    last = len(features) - 1
    chosen = features[min(spec.first, last) : spec.last + 1]
    side = int(features[min(spec.grid, last)]["image"].shape[-1]) if spec.grid is not None else 1
    vectors = torch.cat([_compared(spec.images, stage, side) for stage in chosen], dim=1)
    return torch.cat([average_over(vectors, window) for window in spec.windows], dim=1)


def _compared(names: Sequence[FeatureName], stage: Features, side: int) -> Tensor:
    """The features of one image, or the signed difference of those of a pair, `(N, C_l, side, side)`."""
    first, *second = (at_side(stage[name], side) for name in names)
    return first - second[0] if second else first


def average_over(maps: Tensor, window: int) -> Tensor:
    """Maps `(N, C, g, g)` averaged over the odd window around each position, as far as it lies inside."""
    if window == 1:
        return maps
    return functional.avg_pool2d(maps, window, stride=1, padding=window // 2, count_include_pad=False)
