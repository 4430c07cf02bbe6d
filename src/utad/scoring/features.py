"""The features of the four images that are compared, from one pass through the backbone."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from utad.models.backbones import Backbone
from utad.models.two_stage import Restoration


@dataclass(frozen=True)
class StageFeatures:
    """One stage of the backbone, for each of the four images: `(N, C_l, H_l, W_l)` each.

    Attributes:
        image: phi_l(x).
        reconstruction: phi_l(x_hat).
        impression: phi_l(m).
        naive_impression: phi_l(m_hat).
    """

    image: Tensor
    reconstruction: Tensor
    impression: Tensor
    naive_impression: Tensor


def pixels(restoration: Restoration) -> tuple[StageFeatures, ...]:
    """The four images themselves as the one stage: what is compared without a pretrained network."""
    return (
        StageFeatures(
            restoration.image, restoration.reconstruction, restoration.impression, restoration.naive_impression
        ),
    )


def measure(backbone: Backbone, restoration: Restoration) -> tuple[StageFeatures, ...]:
    """Features of all four images at every stage of the backbone."""
    stacked = torch.cat(
        [
            restoration.image,
            restoration.reconstruction,
            restoration.impression,
            restoration.naive_impression,
        ]
    )  # (4 N, C, S, S)
    count = restoration.image.shape[0]
    # Slices and not chunks: how many chunks there are depends, to a tracer, on the size of the batch.
    return tuple(
        StageFeatures(*(features[start * count : (start + 1) * count] for start in range(4)))
        for features in backbone(stacked)
    )
