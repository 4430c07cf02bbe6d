"""The features of the four images that are compared, from one pass through the backbone."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from utad.models.backbones import Backbone
from utad.models.two_stage import ALL_IMAGES, ImageName, Restoration

_MEAN, _SPREAD = 0.5, 0.2
_MIN_SPREAD = 0.02


@dataclass(frozen=True)
class StageFeatures:
    """One stage of the backbone, for each of the four images: `(N, C_l, H_l, W_l)` each.

    An image that the measurement does not look at has no features: its tensor is empty.

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


def measure(
    backbone: Backbone, restoration: Restoration, needed: Collection[ImageName] = ALL_IMAGES
) -> tuple[tuple[StageFeatures, ...], tuple[Tensor, ...]]:
    """Features of the needed images at every stage of the backbone, from one pass through it.

    Returns:
        The features by image, and the batch that the backbone saw, `(len(needed) * N, C, S, S)` in the order of
        `ALL_IMAGES`, with the maps that it gave, `(len(needed) * N, C_l, H_l, W_l)` a stage.
    """
    names = [name for name in ALL_IMAGES if name in needed]
    stacked = torch.cat([getattr(restoration, name) for name in names])
    count = restoration.image.shape[0]
    stages = tuple(backbone(stacked))
    features = []
    for maps in stages:
        # Slices and not chunks: how many chunks there are depends, to a tracer, on the size of the batch.
        parts = {name: maps[place * count : (place + 1) * count] for place, name in enumerate(names)}
        features.append(StageFeatures(*(parts.get(name, maps.new_empty(0)) for name in ALL_IMAGES)))
    return tuple(features), (stacked, *stages)


def in_even_light(restoration: Restoration) -> Restoration:
    """All four images with x brought to mean 0.5 and standard deviation 0.2.

    Exposure and contrast differ from one good part to the next and say nothing of defects; what differs between
    the four images is kept, since all are changed alike. Not part of the paper (docs/adr/0005).
    """
    image = restoration.image
    spread = image.std(dim=(1, 2, 3), correction=0, keepdim=True).clamp_min(_MIN_SPREAD)
    gain = _SPREAD / spread  # (N, 1, 1, 1)
    offset = _MEAN - gain * image.mean(dim=(1, 2, 3), keepdim=True)
    pictures = {name: getattr(restoration, name) for name in ALL_IMAGES}
    lit = {name: (gain * picture + offset).clamp(0.0, 1.0) for name, picture in pictures.items() if picture.numel()}
    return replace(restoration, **lit)
