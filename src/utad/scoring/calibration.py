"""Calibration on normal images: the measurement is fitted, then the normalisation of scores and maps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from utad.config import Config
from utad.data.subsets import evenly, spread_over
from utad.data.synthetic_anomalies import add_anomalies
from utad.models.feature_impression import FeatureImpression
from utad.models.two_stage import Features
from utad.progress import Progress
from utad.scoring.feature_weighting import AnomalousVectors, vectors_at
from utad.scoring.network import DetectorNetwork
from utad.scoring.normalisation import gap, sampled_pixels, without_gap
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
        scores: raw, `(N,)` float64; NaN for images that were not measured.
        highest: the images with the highest scores, these first, `(K,)` int64, K at most `MAPS`.
        maps: their anomaly maps, normalised, `(K, S, S)` float32.
    """

    scores: Tensor
    highest: Tensor
    maps: Tensor


@torch.no_grad()
def calibrate(
    network: DetectorNetwork,
    images: Tensor,
    trained_on: Tensor,
    config: Config,
    *,
    witness: Witness | None = None,
    batch_size: int = 4,
    progress: bool = False,
) -> NormalScores:
    """Fits measurement and normalisation, in place.

    Networks restore the images that they were trained on better than others. Of a feature impression there is a second
    one, trained without some of the images: the gap between the medians of the scores that it leads to is added to the
    scores of all images, and likewise for maps. Without one, the gap between the scores of images that both stages were
    trained on and of others is added to the former.

    Args:
        network: trained.
        images: all normal images, `(N, C, S, S)` in [0, 1], filled outside the network's region; of more than
            `calibration.max_images`, evenly as many.
        trained_on: bool `(N,)`, which of them trained the networks.
        config: the resolved config.
        witness: of the feature impression; None where no features are restored.
        batch_size: images at a time.
        progress: shows a progress bar, instead of lines in the log.

    Returns:
        What the images score; those that were not chosen are not measured.
    """
    scores = torch.full((len(images),), torch.nan, dtype=torch.float64)
    chosen = evenly(len(images), config.calibration.max_images)
    images, trained_on = images[chosen], trained_on[chosen]
    anomalies = config.calibration.synthetic_anomalies if network.measurement.weighted else 0
    total = len(images) * (1 if witness is None else 2) + anomalies
    with Progress("calibration", total, unit="image", bar=progress) as shown:
        found = _calibrate(network, images, trained_on, chosen, config, witness, batch_size, shown)
    scores[chosen] = found.scores
    return found._replace(scores=scores, highest=chosen[found.highest])


def _calibrate(
    network: DetectorNetwork,
    images: Tensor,
    trained_on: Tensor,
    chosen: Tensor,
    config: Config,
    witness: Witness | None,
    batch_size: int,
    shown: Progress,
) -> NormalScores:
    settings, measurement = config.calibration, network.measurement
    features = _features_of(network, shown)
    parts = [measurement.collect(features(batch), network.size) for batch in torch.split(images, batch_size)]
    collected = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    anomalous = None
    if measurement.weighted and settings.synthetic_anomalies > 0:
        anomalous = _anomalous_vectors(network, images, config, batch_size, shown)
    measured = measurement.fit(collected, network.size, anomalous)
    scores, maps = measured.score, network.at_pixels(measured.anomaly_map)
    gap_of_maps = 0.0
    if witness is None:
        scores = without_gap(scores, trained_on.to(scores.device))
    else:
        features = _features_of(network, shown, witness.impression)
        seen = [measurement(features(batch), network.size) for batch in torch.split(images, batch_size)]
        of_score, of_map = (
            torch.cat([one.score for one in seen]),
            torch.cat([network.at_pixels(one.anomaly_map) for one in seen]),
        )
        known, unknown = (group[chosen].to(scores.device) for group in (witness.trained_on, witness.held_out))
        scores = scores + gap(of_score[known], of_score[unknown])
        gap_of_maps = gap(sampled_pixels(of_map[known]), sampled_pixels(of_map[unknown]))
        maps = maps + gap_of_maps
    network.normalisation.fit(
        scores,
        maps,
        image_rate=settings.image_fpr,
        pixel_rate=settings.pixel_fpr,
    )
    highest = scores.argsort(descending=True, stable=True)[:MAPS]
    shown_maps = network.normalisation.of_pixel().apply(measured.anomaly_map[highest] + gap_of_maps)
    return NormalScores(scores.double().cpu(), highest.cpu(), shown_maps.float().cpu())


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
