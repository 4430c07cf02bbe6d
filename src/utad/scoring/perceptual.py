"""Eq. 8 as printed: the perceptual distance between x, x_hat, m and m_hat."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from utad.models.two_stage import PAIRS, Features

EQ_8 = ("x - x_hat", "m - m_hat", "x - m")
"""The pairs that Eq. 8 compares."""


def feature_distance(first: Tensor, second: Tensor) -> Tensor:
    """phi_l(a, b): the L1 distance of two feature maps, averaged over channels.

    Args:
        first: `(N, C, H, W)`.
        second: `(N, C, H, W)`.

    Returns:
        `(N, H, W)`, at least 0.
    """
    return (first - second).abs().mean(dim=1)


def perceptual_maps(
    features: Sequence[Features], size: int, weights: Sequence[float] | None = None, pairs: Sequence[str] = EQ_8
) -> dict[str, Tensor]:
    """sum_l lambda_l phi_l(a, b) of each pair, brought to the image's size bilinearly.

    Args:
        features: one entry per stage.
        size: S, the side of the images.
        weights: lambda_l, one per stage; 1 each as in the paper if None.
        pairs: what is compared, names of `PAIRS`.

    Returns:
        For each of `pairs`, `(N, S, S)`, at least 0.
    """
    weights = [1.0] * len(features) if weights is None else weights
    maps = {}
    for pair in pairs:
        first, second = PAIRS[pair]
        distances = [upsample(feature_distance(stage[first], stage[second]), size) for stage in features]
        maps[pair] = torch.stack([w * distance for w, distance in zip(weights, distances, strict=True)]).sum(dim=0)
    return maps


def perceptual_measurement(
    features: Sequence[Features], size: int, weights: Sequence[float] | None = None, pairs: Sequence[str] = EQ_8
) -> Tensor:
    """E = sum_l lambda_l (phi_l(x, x_hat) + phi_l(m, m_hat) + phi_l(x, m)), Eq. 8: the sum of `perceptual_maps`.

    Returns:
        The anomaly map e, `(N, S, S)`, at least 0.
    """
    return torch.stack(list(perceptual_maps(features, size, weights, pairs).values())).sum(dim=0)


def upsample(maps: Tensor, size: int | tuple[int, int]) -> Tensor:
    """Maps `(N, h, w)` to `(N, *size)`, bilinearly."""
    target = (size, size) if isinstance(size, int) else size
    return functional.interpolate(maps[:, None], size=target, mode="bilinear", align_corners=False)[:, 0]
