"""How long the fitting of a detector will take, roughly, from a few passes through its untrained networks."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from utad.config import Config
from utad.scoring.network import DetectorNetwork

BACKWARD = 3.0
"""Time of a step of training over that of the forward pass: backpropagation takes twice as long."""

_BATCH = 8


@torch.no_grad()
def expected_seconds(network: DetectorNetwork, config: Config, *, n_fitted: int, n_scored: int) -> float:
    """Seconds that fitting will take, good to a factor of two; it takes one or two itself.

    Args:
        network: untrained; it is not changed.
        config: the resolved config.
        n_fitted: tiles that the measurement is fitted to.
        n_scored: tiles of whole images that are scored afterwards.
    """
    device = next(network.parameters()).device
    images = torch.rand(_BATCH, network.channels, network.size, network.size, device=device)
    n_images = n_fitted  # a stage whose length is in epochs sees about as many
    seconds, compared = 0.0, network.measurement.compared
    for stage, wanted in (
        (config.ie_training, ("impression",)),
        (config.expert_training, ("impression", "naive_impression", "reconstruction")),
    ):
        steps = stage.total_steps(n_images)
        if steps:
            each = _seconds(lambda wanted=wanted: network.two_stage(images, wanted)) / _BATCH  # type: ignore[misc]
            seconds += BACKWARD * each * steps * stage.batch_size
    passes = n_fitted + n_scored + config.calibration.synthetic_anomalies
    if network.feature_impression is not None:
        impression, settings = network.feature_impression, config.feature_training
        features = network.joined_features(
            [{"image": stage} for stage in network.backbone(network.prepare({"image": images})["image"])]
        )
        each = _seconds(lambda: impression(features)) / _BATCH
        # Twice, for the witness; and the features that both learn from.
        seconds += 2 * BACKWARD * each * settings.total_steps(n_images) * settings.batch_size
        passes += n_fitted + 2 * 2 * settings.examples
    each = _seconds(lambda: network.features(network.two_stage(images, compared))) / _BATCH
    return seconds + each * passes


def _seconds(function: Callable[[], object]) -> float:
    """Of the faster of two calls: the first one finds nothing in the caches."""
    found = []
    for _ in range(2):
        start = time.perf_counter()
        function()
        found.append(time.perf_counter() - start)
    return min(found)
