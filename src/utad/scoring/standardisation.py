"""Standardisation of score components: by their mean and standard deviation on normal images, at every position."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from utad.data.tile_places import TilePlaces
from utad.scoring.fitted_module import FittedModule, at_place

PRIOR_IMAGES = 8
"""Weight of the average over all positions in the statistics of one position, in images."""

_LEAST_DEVIATION = 1e-6


@dataclass(frozen=True)
class Standardised:
    """Maps and scores of normal images, each by the statistics of the others.

    Attributes:
        maps: `(N, g, g)`.
        scores: `(N,)`.
    """

    maps: Tensor
    scores: Tensor


class _Statistics(NamedTuple):
    """Of the maps of N images at every position.

    Attributes:
        mean: `(g, g)` float64.
        deviation: `(g, g)` float64.
        standardised: each map by the statistics of the others, `(N, g, g)` float32.
    """

    mean: Tensor
    deviation: Tensor
    standardised: Tensor


class Standardisation(FittedModule):
    """Mean and standard deviation of one component on normal images: of its map at every position, and of its score.

    A network's features at the border of an image, where it pads, differ from those inside, and some positions of a
    part vary more than others: a distance means something only beside the normal distances at its position.

    With a region of interest some positions do not count. They have no part in any statistic nor in a score, and a
    standardised map has there what the nearest position that counts has: enlarged, it is made of these alone.

    Tiles of one grid have statistics of their own at each of its places.

    Args:
        top_fractions: of the positions that count, whose highest values make a score.
        regional: whether there is a region of interest.

    Attributes:
        mean: `(g, g)`, of the map at every position, shrunk towards the mean of all positions; with places
            `(P + 1, g, g)`, the last for a tile whose place is not known.
        deviation: `(g, g)`, its standard deviation, likewise.
        of_images: mean and standard deviation of the top-k mean of each fraction, `(2, F)`.
        counted: indices of the P positions that count, row by row, `(P,)` int64; only with a region of interest.
        nearest: index of the nearest of them for each position, `(g * g,)` int64; likewise.
    """

    mean: Tensor
    deviation: Tensor
    of_images: Tensor
    counted: Tensor
    nearest: Tensor

    def __init__(self, top_fractions: Sequence[float], *, regional: bool = False) -> None:
        super().__init__(("mean", "deviation", "of_images", *(("counted", "nearest") if regional else ())))
        self.top_fractions = tuple(top_fractions)
        self.regional = regional

    def unfitted(self) -> Standardisation:
        """A new standardisation of the same settings."""
        return Standardisation(self.top_fractions, regional=self.regional)

    def fit(
        self,
        maps: Tensor,
        positions: Tensor | None = None,
        places: TilePlaces | None = None,
        elsewhere: Tensor | None = None,
    ) -> Standardised:
        """Fits to the maps of normal images.

        Args:
            maps: `(N, g, g)`, N at least 2.
            positions: bool `(g, g)`, those that count, at least one; None unless there is a region of interest.
            places: of the N images, where they are tiles whose places have statistics of their own; None for others.
            elsewhere: maps of the same tiles as if their places were not known, `(N, g, g)`; with `places`.

        Returns:
            The same images standardised, each map by the statistics of the other images: its own would make it
            look more normal than it is.
        """
        if positions is not None:
            self.counted, self.nearest = (indices.to(maps.device) for indices in _indices(positions))
        if places is None or elsewhere is None:
            mean, deviation, standardised = self._statistics(maps)
        else:
            mean, deviation, standardised = self._statistics_of_places(maps, places, self._statistics(elsewhere))
        self.mean, self.deviation = mean.float(), deviation.float()
        tops = top_k_means(self._counted(standardised), self.top_fractions).double()
        least_top = _LEAST_DEVIATION * max(1.0, float(tops.abs().max()))
        self.of_images = torch.stack([tops.mean(dim=0), tops.std(dim=0, correction=0).clamp_min(least_top)]).float()
        return Standardised(standardised, self.of_score(standardised))

    def of_map(self, maps: Tensor, places: Tensor | None = None) -> Tensor:
        """Maps `(N, g, g)`: 0 is the mean of normal images at that position, 1 one standard deviation above.

        Args:
            maps: of N images.
            places: of each, `(N,)` int64, the number of places where it is not known; None for images that have none.
        """
        self.require_fitted()
        return (self._spread(maps) - at_place(self.mean, places, 2)) / at_place(self.deviation, places, 2)

    def of_score(self, standardised: Tensor) -> Tensor:
        """Scores of standardised maps, `(N, g, g)` to `(N,)`: 0 is the mean of normal images, 1 one deviation above."""
        tops = top_k_means(self._counted(standardised), self.top_fractions)
        return ((tops - self.of_images[0]) / self.of_images[1]).mean(dim=1)

    @property
    def placed(self) -> bool:
        """Whether the places of tiles have statistics of their own."""
        return self.mean.ndim > 2

    def rescale_scores(self, mean: float, deviation: float) -> None:
        """Makes scores have another scale: what was `mean` becomes 0, what was one `deviation` above that becomes 1."""
        means, deviations = self.of_images
        self.of_images = torch.stack([means + mean * deviations, deviation * deviations])

    def _statistics(self, maps: Tensor) -> _Statistics:
        values = self._spread(maps.detach().double())
        count, total = len(values), values.sum(dim=0)
        centre = self._counted(values).mean()
        mean = (total + PRIOR_IMAGES * centre) / (count + PRIOR_IMAGES)
        squares = (values - mean).square()
        prior = self._counted(squares).mean()
        least = (_LEAST_DEVIATION * max(1.0, float(values.abs().max()))) ** 2
        variance = ((squares.sum(dim=0) + PRIOR_IMAGES * prior) / (count + PRIOR_IMAGES)).clamp_min(least)
        # Without image i: its part is taken out of the sums.
        others = (total - values + PRIOR_IMAGES * centre) / (count - 1 + PRIOR_IMAGES)
        moved = count * (mean - others).square()
        other_squares = (squares.sum(dim=0) + moved - (values - others).square() + PRIOR_IMAGES * prior).clamp_min(0.0)
        other_variance = (other_squares / (count - 1 + PRIOR_IMAGES)).clamp_min(least)
        return _Statistics(mean, variance.sqrt(), ((values - others) / other_variance.sqrt()).float())

    def _statistics_of_places(self, maps: Tensor, places: TilePlaces, elsewhere: _Statistics) -> _Statistics:
        """Of every place, and after them of no known one, `(P + 1, g, g)`; where nothing was seen those too."""
        of = places.of.to(maps.device)
        means, deviations = ([statistic] * (places.count + 1) for statistic in elsewhere[:2])
        standardised = torch.empty_like(elsewhere.standardised)
        for place in sorted(set(of.tolist())):
            chosen = of == place
            means[place], deviations[place], standardised[chosen] = self._statistics(maps[chosen])
        return _Statistics(torch.stack(means), torch.stack(deviations), standardised)

    def _counted(self, maps: Tensor) -> Tensor:
        return maps.flatten(1)[:, self.counted] if self.regional else maps

    def _spread(self, maps: Tensor) -> Tensor:
        return maps.flatten(1)[:, self.nearest].reshape(maps.shape) if self.regional else maps


def _indices(positions: Tensor) -> tuple[Tensor, Tensor]:
    """`counted` and `nearest` of bool `(g, g)`."""
    from scipy.ndimage import distance_transform_edt

    counted = positions.flatten().nonzero().flatten()
    outside = ~positions.cpu().numpy()
    rows, columns = distance_transform_edt(outside, return_distances=False, return_indices=True)
    return counted, torch.from_numpy(rows * outside.shape[1] + columns).flatten().long()


def top_k_means(maps: Tensor, fractions: Sequence[float]) -> Tensor:
    """Mean of the highest part of each map, at least one value, for each fraction: `(N, ...)` to `(N, F)`."""
    values = maps.flatten(1)
    counts = [max(1, round(fraction * int(values.shape[1]))) for fraction in fractions]
    highest = values.topk(max(counts), dim=1).values  # descending
    return torch.stack([highest[:, :count].mean(dim=1) for count in counts], dim=1)


def top_k_parts(maps: Sequence[Tensor], fractions: Sequence[float]) -> Tensor:
    """What each of M maps `(N, ...)` has of the top-k means of their sum: `(M, N, F)`, which adds up to these.

    It is the mean of the map over those positions where the sum is highest.
    """
    flat = torch.stack(list(maps)).flatten(2)  # (M, N, values)
    counts = [max(1, round(fraction * int(flat.shape[2]))) for fraction in fractions]
    highest = flat.sum(dim=0).topk(max(counts), dim=1).indices  # (N, K), the highest first
    values = flat.gather(2, highest.expand(len(maps), -1, -1))
    return torch.stack([values[:, :, :count].mean(dim=2) for count in counts], dim=2)
