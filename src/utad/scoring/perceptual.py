"""Eq. 8 as printed: the perceptual distance between x, x_hat, m and m_hat."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from utad.scoring.features import StageFeatures

Pair = Literal["x - x_hat", "m - m_hat", "x - m", "x - m_hat"]

PAIRS: Mapping[Pair, Callable[[StageFeatures], tuple[Tensor, Tensor]]] = MappingProxyType(
    {
        "x - x_hat": lambda stage: (stage.image, stage.reconstruction),
        "m - m_hat": lambda stage: (stage.impression, stage.naive_impression),
        "x - m": lambda stage: (stage.image, stage.impression),
        "x - m_hat": lambda stage: (stage.image, stage.naive_impression),
    }
)
"""What can be compared. Eq. 8 takes the first three; the last stands in Table 3 alone."""

EQ_8: tuple[Pair, ...] = ("x - x_hat", "m - m_hat", "x - m")


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
    features: Sequence[StageFeatures], size: int, pairs: Sequence[Pair] = EQ_8
) -> dict[Pair, list[Tensor]]:
    """phi_l of each pair and stage, brought to the image's size bilinearly.

    Args:
        features: one entry a stage.
        size: S, the side of the images.
        pairs: what is compared.

    Returns:
        For each of `pairs`, one `(N, S, S)` a stage.
    """
    return {pair: [upsample(feature_distance(*PAIRS[pair](stage)), size) for stage in features] for pair in pairs}


def perceptual_measurement(
    features: Sequence[StageFeatures],
    size: int,
    weights: Sequence[float] | None = None,
    pairs: Sequence[Pair] = EQ_8,
) -> Tensor:
    """E = sum_l lambda_l (phi_l(x, x_hat) + phi_l(m, m_hat) + phi_l(x, m)), Eq. 8.

    Args:
        features: one entry a stage.
        size: S, the side of the images.
        weights: lambda_l, one a stage; 1 each as in the paper if None.
        pairs: what is compared; Eq. 8's three, or other ones for ablations.

    Returns:
        The anomaly map e, `(N, S, S)`, at least 0.
    """
    maps = perceptual_maps(features, size, pairs)
    weights = [1.0] * len(features) if weights is None else weights
    return torch.stack(
        [weight * stage for pair in pairs for weight, stage in zip(weights, maps[pair], strict=True)]
    ).sum(dim=0)


def upsample(maps: Tensor, size: int | tuple[int, int]) -> Tensor:
    """Maps `(N, h, w)` to `(N, *size)`, bilinearly."""
    target = (size, size) if isinstance(size, int) else size
    return functional.interpolate(maps[:, None], size=target, mode="bilinear", align_corners=False)[:, 0]
