"""What the feature impression learns from: features of normal images, as they are and with synthetic anomalies."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from utad.config import Config
from utad.data.augment import augment
from utad.data.subsets import spread_over
from utad.data.synthetic_anomalies import add_anomalies
from utad.models.two_stage import Features
from utad.progress import tracked
from utad.scoring.network import DetectorNetwork
from utad.seeding import generator_for

_BATCH = 16


class FeatureExamples(NamedTuple):
    """Features to restore, and what they are to be restored from; float16, which halves what is kept in memory.

    Attributes:
        normal: of K normal images, `(K, C, g, g)`.
        anomalous: of the same with a synthetic anomaly each, the same shape.
    """

    normal: Tensor
    anomalous: Tensor


@torch.no_grad()
def feature_examples(
    network: DetectorNetwork, images: Tensor, config: Config, *, progress: bool = False
) -> FeatureExamples:
    """The examples of a detector whose feature impression is not trained yet.

    Args:
        network: gives the features.
        images: that networks may be trained on, `(N, C, S, S)` in [0, 1], N at least 2.
        config: the resolved config; K is its `feature_training.examples`. Each image stands among them as it is before
            any is there a second time, augmented.
        progress: shows a progress bar, instead of lines in the log.
    """
    count, region = config.feature_training.examples, network.working_region
    inside = region.touched if region is not None else None
    order = spread_over(len(images), count)
    parts = []
    batches = torch.split(torch.arange(count), _BATCH)
    shown = tracked(batches, len(batches), "features to learn from", bar=progress, unit="batch")
    for number, indices in enumerate(shown):
        chosen = images[order[indices]]
        generator = generator_for(config.seed, "feature_training/augment", number)
        repeated = (indices >= len(images))[:, None, None, None]
        normal = torch.where(repeated, augment(chosen, config.augment, generator), chosen)
        normal = normal if region is None else region.refilled(normal)
        donors = images[torch.randint(0, len(images), (len(chosen),), generator=generator)]
        anomalous = add_anomalies(normal, donors, number, generator, inside=inside).images
        parts.append((_joined(network, normal), _joined(network, anomalous)))
    return FeatureExamples(*(torch.cat(part) for part in zip(*parts, strict=True)))


def _joined(network: DetectorNetwork, images: Tensor) -> Tensor:
    device = next(network.parameters()).device
    prepared = network.prepare({"image": images.to(device)})["image"]
    stages: list[Features] = [{"image": maps} for maps in network.backbone(prepared)]
    return network.joined_features(stages).half().cpu()
