"""Calibration on normal images: the measurement is fitted, then the normalisation of scores and maps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from utad.config import Config
from utad.data.subsets import evenly, fold_indices, spread_over
from utad.data.synthetic_anomalies import add_anomalies
from utad.data.tile_places import TilePlaces
from utad.data.tiled_images import TiledImages
from utad.data.tiling import Tiling
from utad.models.feature_impression import FeatureImpression
from utad.models.two_stage import Features
from utad.progress import Progress
from utad.scoring.feature_weighting import AnomalousVectors, vectors_at
from utad.scoring.image_scores import chosen_images, highest_of_tiles, scale_of_highest, score_tiles
from utad.scoring.measurement import CalibratedMeasurement
from utad.scoring.network import DetectorNetwork
from utad.scoring.normalisation import gap, sampled_pixels
from utad.seeding import generator_for

MAPS = 24
"""Images whose maps are kept, those with the highest scores."""


@dataclass(frozen=True)
class Witness:
    """A feature impression that was trained without some of the normal images, and tells how those look to it.

    Attributes:
        impression: trained as the network's own, on fewer images.
        trained_on: bool `(N,)`, which of the images trained it.
        held_out: bool `(N,)`, those that it is asked about: no neighbour of theirs trained it either.
    """

    impression: FeatureImpression
    trained_on: Tensor
    held_out: Tensor


class NormalScores(NamedTuple):
    """What the normal images score by what was fitted without them.

    Attributes:
        scores: raw, `(N,)` float64; NaN for images that were not measured. Of an image of tiles it is the highest of
            these, less `Tiling.excess`.
        highest: the images with the highest scores, these first, `(K,)` int64, K at most `MAPS`.
        maps: their anomaly maps, normalised, `(K, S, S)` float32; `(0,)` for images that are cut into tiles.
        tiling: with what is known of its scores now; None without tiles.
    """

    scores: Tensor
    highest: Tensor
    maps: Tensor
    tiling: Tiling | None


@torch.no_grad()
def calibrate(
    network: DetectorNetwork,
    images: Tensor,
    trained_on: Tensor,
    config: Config,
    *,
    witness: Witness | None = None,
    tiles: TiledImages | None = None,
    batch_size: int = 4,
    progress: bool = False,
) -> NormalScores:
    """Fits measurement and normalisation, in place.

    Networks restore the images that they were trained on better than others. Of a feature impression there is a second
    one, trained without some of the images: the gap between the medians of the scores that it leads to is added to the
    scores of all images, and likewise for maps. Without one, the gap between the scores of images that both stages were
    trained on and of others is added to the former.

    Of tiles, all that is left out is left out by image, and the normalisation of scores is that of whole images. Where
    they have places in common, these get statistics of their own.

    Args:
        network: trained.
        images: all normal images, `(N, C, S, S)` in [0, 1], filled outside the network's region; of more than
            `calibration.max_images`, evenly as many, and of tiles with places as many of each.
        trained_on: bool `(N,)`, which of them trained the networks.
        config: the resolved config.
        witness: of the feature impression; None where no features are restored.
        tiles: which `images` are the tiles of; None where they are images themselves.
        batch_size: images at a time.
        progress: shows a progress bar, instead of lines in the log.

    Returns:
        What the images score; those that were not chosen are not measured.
    """
    most = config.calibration.max_images
    # As many of each place: an even choice of all tiles can fall in step with the grid.
    known = tiles.places if tiles is not None else None
    of_places = known.evenly(most) if known is not None else None
    places = known[of_places] if known is not None and of_places is not None else None
    chosen = evenly(len(images), most) if of_places is None else of_places
    anomalies = config.calibration.synthetic_anomalies if network.measurement.weighted else 0
    total = len(chosen) * (1 if witness is None else 2) + anomalies
    if tiles is not None:
        total += sum(tiles.counts[index] for index in chosen_images(tiles).tolist())
    with Progress("calibration", total, unit="image" if tiles is None else "tile", bar=progress) as shown:
        return _calibrate(network, images, trained_on, chosen, config, witness, tiles, places, batch_size, shown)


def _calibrate(
    network: DetectorNetwork,
    images: Tensor,
    trained_on: Tensor,
    chosen: Tensor,
    config: Config,
    witness: Witness | None,
    tiles: TiledImages | None,
    places: TilePlaces | None,
    batch_size: int,
    shown: Progress,
) -> NormalScores:
    settings, measurement = config.calibration, network.measurement
    features, seen = _features_of(network, shown), images[chosen]
    collected = _collected(network, seen, features, batch_size)
    anomalous = None
    if measurement.weighted and settings.synthetic_anomalies > 0:
        anomalous = _anomalous_vectors(network, seen, config, batch_size, shown)
    fold_of = fold_indices(len(tiles.samples), settings.folds) if tiles is not None else None
    of_chosen = fold_of[tiles.image_of[chosen]] if tiles is not None and fold_of is not None else None
    measured = measurement.fit(collected, network.size, anomalous, of_chosen, places)
    scores, maps, parts = measured.score, network.at_pixels(measured.anomaly_map), measured.score_parts
    # What whole images are scored with needs the room, and maps of tiles are shown nowhere.
    kept = measured.anomaly_map if tiles is None else torch.empty(0)
    del anomalous, measured
    of_tiles: list[Tensor] = []
    if tiles is not None and fold_of is not None:
        of_tiles = score_tiles(network, tiles, fold_of, features, batch_size=batch_size)
        if isinstance(measurement, CalibratedMeasurement):
            of_tiles, scores = _on_scale_of_images(measurement, of_tiles, parts)
    by_maps = 0.0
    if witness is None:
        trained = trained_on[chosen].to(scores.device)
        gained, raised = gap(scores[trained], scores[~trained]), trained_on
    else:
        gained, by_maps = _gaps(network, seen, places, witness, chosen, batch_size, shown)
        maps, raised = maps + by_maps, torch.ones_like(trained_on)
    tiling = None
    if tiles is not None:
        # From here on an image stands where its tiles stood.
        chosen, raised = chosen_images(tiles), tiles.by_image(raised)
        scores, growth = highest_of_tiles(of_tiles, tiles)
        layout = places.layout if places is not None and measurement.placed else None
        tiling = replace(tiles.tiling, growth=growth, by_component=measurement.by_component, layout=layout)
    measurement.forget_folds()
    scores = torch.where(raised[chosen].to(scores.device), scores + gained, scores)
    network.normalisation.fit(
        scores,
        maps,
        image_rate=settings.image_fpr,
        pixel_rate=settings.pixel_fpr,
    )
    found = torch.full((len(raised),), torch.nan, dtype=torch.float64)
    found[chosen] = scores.double().cpu()
    highest = scores.argsort(descending=True, stable=True)[:MAPS]
    shown_maps = network.normalisation.of_pixel().apply(kept[highest] + by_maps) if len(kept) else kept
    return NormalScores(found, chosen[highest.cpu()], shown_maps.float().cpu(), tiling)


def _collected(
    network: DetectorNetwork, images: Tensor, features: Callable[[Tensor], list[Features]], batch_size: int
) -> dict[str, Tensor]:
    """What the measurement needs of all images; put in its place at once, since it is most of the memory."""
    found: dict[str, Tensor] = {}
    for start in range(0, len(images), batch_size):
        batch = network.measurement.collect(features(images[start : start + batch_size]), network.size)
        for name, values in batch.items():
            if name not in found:
                found[name] = values.new_empty((len(images), *values.shape[1:]))
            found[name][start : start + len(values)] = values
    return found


def _on_scale_of_images(
    measurement: CalibratedMeasurement, of_tiles: Sequence[Tensor], parts: Mapping[str, Tensor]
) -> tuple[list[Tensor], Tensor]:
    """Rescales the parts of the score, and with them what has been measured: the tiles of whole images, and others."""
    scale = scale_of_highest(of_tiles)
    measurement.rescale_scores(*scale)
    scores = scale.of(torch.stack(list(parts.values()), dim=1).cpu()).sum(dim=1)
    return [scale.of(of_image) for of_image in of_tiles], scores


def _gaps(
    network: DetectorNetwork,
    images: Tensor,
    places: TilePlaces | None,
    witness: Witness,
    chosen: Tensor,
    batch_size: int,
    shown: Progress,
) -> tuple[float, float]:
    """How much higher the witness's scores, and the values of its maps, are where it was not trained."""
    features = _features_of(network, shown, witness.impression)
    batches = torch.split(images, batch_size)
    at = torch.split(places.of, batch_size) if places is not None else [None] * len(batches)
    seen = [network.measurement(features(batch), network.size, of) for batch, of in zip(batches, at, strict=True)]
    of_score, of_map = (
        torch.cat([one.score for one in seen]),
        torch.cat([network.at_pixels(one.anomaly_map) for one in seen]),
    )
    known, unknown = (group[chosen].to(of_score.device) for group in (witness.trained_on, witness.held_out))
    return gap(of_score[known], of_score[unknown]), gap(sampled_pixels(of_map[known]), sampled_pixels(of_map[unknown]))


def _features_of(
    network: DetectorNetwork, shown: Progress, impression: FeatureImpression | None = None
) -> Callable[[Tensor], list[Features]]:
    device = next(network.parameters()).device

    def features(images: Tensor) -> list[Features]:
        found = network.features(network.two_stage(images.to(device), network.measurement.compared), impression)
        shown.advance(len(images))
        return found

    return features


def _anomalous_vectors(
    network: DetectorNetwork, images: Tensor, config: Config, batch_size: int, shown: Progress
) -> dict[str, AnomalousVectors]:
    """The vectors of every component at synthetic anomalies put into normal images."""
    count, features = config.calibration.synthetic_anomalies, _features_of(network, shown)
    inside = network.working_region.touched if network.working_region is not None else None
    found: dict[str, list[AnomalousVectors]] = {}
    for number, source in enumerate(torch.split(spread_over(len(images), count), batch_size)):
        # The purpose names a stream of random numbers: with another name the same seed gives another detector.
        generator = generator_for(config.seed, "calibration/corruptions", number)
        donor = (source + torch.randint(1, len(images), (len(source),), generator=generator)) % len(images)
        changed = add_anomalies(images[source], images[donor], number, generator, inside=inside)
        collected = network.measurement.collect(features(changed.images), network.size)
        for name, vectors in collected.items():
            mask, origin = changed.mask.to(vectors.device), source.to(vectors.device)
            found.setdefault(name, []).append(vectors_at(vectors, mask, origin))
    return {name: AnomalousVectors.joined(parts) for name, parts in found.items()}
