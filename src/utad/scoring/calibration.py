"""Calibration on normal images: the measurement is fitted, then the normalisation of scores and maps."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from utad.config import Config
from utad.models.two_stage import Images
from utad.scoring.feature_weighting import AnomalousVectors, vectors_at
from utad.scoring.network import DetectorNetwork
from utad.scoring.normalisation import without_gap
from utad.scoring.synthetic_anomalies import add_anomalies
from utad.seeding import generator_for


@torch.no_grad()
def calibrate(
    network: DetectorNetwork, images: Tensor, trained_on: Tensor, config: Config, *, batch_size: int = 4
) -> None:
    """Fits measurement and normalisation, in place.

    The networks reproduce the images they were trained on a little better than others. The gap between the medians of
    the two groups is added to the scores of the former before the normalisation is fitted.

    Args:
        network: trained.
        images: all normal images, `(N, C, S, S)` in [0, 1]; of more than `calibration.max_images`, evenly as many.
        trained_on: bool `(N,)`, which of them trained the networks.
        config: the resolved config.
        batch_size: images at a time.
    """
    settings, measurement = config.calibration, network.measurement
    chosen = evenly(len(images), settings.max_images)
    images, trained_on = images[chosen], trained_on[chosen]
    features = _features_of(network)
    parts = [measurement.collect(features(batch), network.size) for batch in torch.split(images, batch_size)]
    collected = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    anomalous = None
    if measurement.weighted and settings.synthetic_anomalies > 0:
        anomalous = _anomalous_vectors(network, images, config, batch_size)
    measured = measurement.fit(collected, network.size, anomalous)
    network.normalisation.fit(
        without_gap(measured.score, trained_on.to(measured.score.device)),
        measured.anomaly_map,
        image_rate=settings.image_fpr,
        pixel_rate=settings.pixel_fpr,
    )


def evenly(count: int, limit: int) -> Tensor:
    """At most `limit` of the indices below `count`, evenly from all of them, int64."""
    return torch.arange(min(count, limit)) * count // min(count, limit)


def _features_of(network: DetectorNetwork) -> Callable[[Tensor], list[Images]]:
    device = next(network.parameters()).device

    def features(images: Tensor) -> list[Images]:
        return network.features(network.two_stage(images.to(device), network.measurement.compared))

    return features


def _anomalous_vectors(
    network: DetectorNetwork, images: Tensor, config: Config, batch_size: int
) -> dict[str, AnomalousVectors]:
    """The vectors of every component at synthetic anomalies put into normal images."""
    count, features = config.calibration.synthetic_anomalies, _features_of(network)
    sources = torch.arange(count) % len(images) if count > len(images) else evenly(len(images), count)
    found: dict[str, list[AnomalousVectors]] = {}
    for number, source in enumerate(torch.split(sources, batch_size)):
        # The purpose names a stream of random numbers: with another name the same seed gives another detector.
        generator = generator_for(config.seed, "calibration/corruptions", number)
        donor = (source + torch.randint(1, len(images), (len(source),), generator=generator)) % len(images)
        changed = add_anomalies(images[source], images[donor], number, generator)
        collected = network.measurement.collect(features(changed.images), network.size)
        for name, vectors in collected.items():
            mask, origin = changed.mask.to(vectors.device), source.to(vectors.device)
            found.setdefault(name, []).append(vectors_at(vectors, mask, origin))
    return {name: AnomalousVectors.joined(parts) for name, parts in found.items()}
