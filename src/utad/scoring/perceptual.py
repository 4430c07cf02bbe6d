"""Eq. 8 as printed: the perceptual distance between x, x_hat, m and m_hat."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from utad.scoring.features import StageFeatures

PAIRS = ("x - x_hat", "m - m_hat", "x - m")


def feature_distance(first: Tensor, second: Tensor) -> Tensor:
    """phi_l(a, b): the L1 distance of two feature maps, averaged over channels.

    Args:
        first: `(N, C, H, W)`.
        second: `(N, C, H, W)`.

    Returns:
        `(N, H, W)`, at least 0.
    """
    return (first - second).abs().mean(dim=1)


def perceptual_maps(features: Sequence[StageFeatures], size: int) -> dict[str, list[Tensor]]:
    """phi_l of each pair and stage, brought to the image's size bilinearly.

    Args:
        features: one entry a stage.
        size: S, the side of the images.

    Returns:
        For each of `PAIRS`, one `(N, S, S)` a stage.
    """
    maps: dict[str, list[Tensor]] = {pair: [] for pair in PAIRS}
    for stage in features:
        distances = (
            feature_distance(stage.image, stage.reconstruction),
            feature_distance(stage.impression, stage.naive_impression),
            feature_distance(stage.image, stage.impression),
        )
        for pair, distance in zip(PAIRS, distances, strict=True):
            maps[pair].append(upsample(distance, size))
    return maps


def perceptual_measurement(
    features: Sequence[StageFeatures], size: int, weights: Sequence[float] | None = None
) -> Tensor:
    """E = sum_l lambda_l (phi_l(x, x_hat) + phi_l(m, m_hat) + phi_l(x, m)), Eq. 8.

    Args:
        features: one entry a stage.
        size: S, the side of the images.
        weights: lambda_l, one a stage; 1 each as in the paper if None.

    Returns:
        The anomaly map e, `(N, S, S)`, at least 0.
    """
    maps = perceptual_maps(features, size)
    weights = [1.0] * len(features) if weights is None else weights
    return torch.stack(
        [weight * stage for pair in PAIRS for weight, stage in zip(weights, maps[pair], strict=True)]
    ).sum(dim=0)


def upsample(maps: Tensor, size: int | tuple[int, int]) -> Tensor:
    """Maps `(N, h, w)` to `(N, *size)`, bilinearly."""
    target = (size, size) if isinstance(size, int) else size
    return functional.interpolate(maps[:, None], size=target, mode="bilinear", align_corners=False)[:, 0]
