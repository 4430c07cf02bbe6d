"""Scores of whole normal images from those of their tiles: what the threshold of a tiled detector is set on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from utad.data.subsets import evenly
from utad.data.tiled_images import TiledImages, typical_count
from utad.models.two_stage import Features
from utad.scoring.network import DetectorNetwork
from utad.scoring.standardisation import PRIOR_IMAGES

LEAST_IMAGES = 20
"""Images that are scored as a whole at the least, where there are as many: fewer make no threshold."""

_TAIL = 0.2
"""Largest part of the tiles whose scores the growth is read off: the tail that `upper_limit` has too."""

_LEAST_TAIL = 20
"""Tiles that the growth is read off at the least."""

_LEAST_DEVIATION = 1e-6


class PartsScale(NamedTuple):
    """What the highest of the tiles of a normal image are like, component by component.

    Attributes:
        means: `(K,)`, of the parts of the score.
        deviations: `(K,)`, likewise; shrunk towards that of all parts, as if that had been seen in `PRIOR_IMAGES`.
    """

    means: Tensor
    deviations: Tensor

    def of(self, parts: Tensor) -> Tensor:
        """Parts `(..., K)` as `CalibratedMeasurement.rescale_scores` makes them, the same shape."""
        return (parts - self.means) / (self.deviations * parts.shape[-1])


class ImageScores(NamedTuple):
    """What calibration came to.

    Attributes:
        scores: raw, of each of N normal images by what was fitted without it, `(N,)` float64; NaN for those that were
            not scored. Of an image of tiles it is the highest of these, less `Tiling.excess`.
        growth: of the highest of tiles, as in `Tiling`; 0 without tiles.
    """

    scores: Tensor
    growth: float


def chosen_images(tiles: TiledImages) -> Tensor:
    """Which images are scored as a whole, evenly of all, `(K,)` int64: as many as `most_scored` allows."""
    return evenly(len(tiles.samples), max(LEAST_IMAGES, int(tiles.most_scored / typical_count(tiles))))


def score_tiles(
    network: DetectorNetwork,
    tiles: TiledImages,
    fold_of: Tensor,
    features: Callable[[Tensor], list[Features]],
    *,
    batch_size: int,
) -> list[Tensor]:
    """Scores every tile of `chosen_images`, each by what was fitted without its image.

    Args:
        network: whose measurement is fitted, and has kept its folds.
        tiles: the normal images.
        fold_of: of each of the N images, `(N,)` int64.
        features: of a batch of tiles.
        batch_size: tiles at a time.

    Returns:
        What makes the raw scores of the tiles of each chosen image, `(T, K)` each: their parts by component, or the
        scores themselves where the measurement does not go by component.

    Raises:
        ImageReadError: if a file cannot be read any more.
    """
    measurement = network.measurement

    def parts(batch: Tensor, places: Tensor | None, fold: int) -> Tensor:
        return measurement.parts_without_fold(features(batch), network.size, fold, places).cpu()

    return [
        torch.cat([parts(*batch, int(fold_of[index])) for batch in tiles.batches(index, batch_size)])
        for index in chosen_images(tiles).tolist()
    ]


def scale_of_highest(parts: Sequence[Tensor]) -> PartsScale:
    """The scale on which components are worth the same to whole images, from what `score_tiles` gives.

    Statistics of tiles would give a component more weight, the heavier the tail of its scores: of many tiles the
    highest of such a component is high without a defect.

    Args:
        parts: of the tiles of each of N images, `(T, K)` each.
    """
    highest = torch.stack([of_image.amax(dim=0) for of_image in parts]).double()
    squares = (highest - highest.mean(dim=0)).square()
    prior = squares.mean().clamp_min(_LEAST_DEVIATION**2)
    variances = (squares.sum(dim=0) + PRIOR_IMAGES * prior) / (len(parts) + PRIOR_IMAGES)
    return PartsScale(highest.mean(dim=0), variances.sqrt())


def highest_of_tiles(parts: Sequence[Tensor], tiles: TiledImages) -> tuple[Tensor, float]:
    """The raw scores of the N images of `chosen_images`, `(N,)`, and the growth as in `Tiling`.

    Args:
        parts: of the tiles of each of them, `(T, K)` each, from `score_tiles`.
        tiles: the normal images.
    """
    growth = sum(tail_growth([of_image[:, column] for of_image in parts]) for column in range(parts[0].shape[1]))
    tiling = replace(tiles.tiling, growth=growth)
    chosen = chosen_images(tiles).tolist()
    highest = (of_image.amax(dim=0).sum() for of_image in parts)
    scores = [score - tiling.excess(tiles.sizes[index]) for index, score in zip(chosen, highest, strict=True)]
    return torch.stack(scores), growth


def whole_image_scores(scores: Tensor, tiles: TiledImages) -> ImageScores:
    """Scores of whole images from those of some of their tiles, where not all of them are scored.

    The highest of the tiles that are not there is expected to be higher by what their number makes of it.

    Args:
        scores: raw, of the M tiles, each by what was fitted without its image, `(M,)`.
        tiles: the images that they are of.
    """
    of_images = [scores[tiles.image_of == index].double().cpu() for index in range(len(tiles.samples))]
    growth = tail_growth([of_image for of_image in of_images if len(of_image)])
    tiling = replace(tiles.tiling, growth=growth)
    found = torch.full((len(of_images),), torch.nan, dtype=torch.float64)
    for index, (of_image, count, size) in enumerate(zip(of_images, tiles.counts, tiles.sizes, strict=True)):
        if len(of_image):
            found[index] = of_image.max() + growth * math.log(count / len(of_image)) - tiling.excess(size)
    return ImageScores(found, growth)


def tail_growth(scores: Sequence[Tensor]) -> float:
    """By how much the highest of the tiles of a normal image grows where there are e times as many.

    It is the scale of an exponential tail, the mean excess over the value that two tiles of an image exceed, or a fifth
    of all tiles where that is fewer: tails that fall faster than exponentially have a smaller scale further out, where
    the highest is. What an image has in all of its tiles does not grow with their number, and is taken off before.

    Args:
        scores: of the tiles of each image, `(T,)` each.

    Returns:
        At least 0; 0 where images have one tile each.
    """
    deviations = torch.cat([(of_image - of_image.median()).double() for of_image in scores]).sort().values
    count = max(_LEAST_TAIL, 2 * len(scores))
    tail = deviations[-max(1, min(count, round(_TAIL * len(deviations)))) :]
    return float((tail - tail[0]).mean())
