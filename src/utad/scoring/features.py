"""The features that are compared: of the images, from one pass through the backbone, and of several stages joined."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from utad.models.two_stage import FeatureName, ImageName, Images
from utad.types import CODE_GRID


def stacked(images: Images, names: Sequence[ImageName]) -> Tensor:
    """The named images as one batch, `(len(names) * N, C, S, S)`, in the order of `names`."""
    return torch.cat([images[name] for name in names])


def by_image(maps: Tensor, names: Sequence[ImageName]) -> dict[FeatureName, Tensor]:
    """The features of one stage by image; the inverse of `stacked`.

    Args:
        maps: of a stacked batch, `(len(names) * N, C_l, H_l, W_l)`.
        names: of the images, in the order in which they were stacked.

    Returns:
        `(N, C_l, H_l, W_l)` for each name.
    """
    count = maps.shape[0] // len(names)
    # Slices and not chunks: how many chunks there are depends, to a tracer, on the size of the batch.
    return {name: maps[index * count : (index + 1) * count] for index, name in enumerate(names)}


def at_side(maps: Tensor, side: int) -> Tensor:
    """Maps `(N, C, H, H)` averaged down or enlarged to `(N, C, side, side)`."""
    own = int(maps.shape[-1])
    if own == side:
        return maps
    if own > side:
        return functional.adaptive_avg_pool2d(maps, side)
    return functional.interpolate(maps, size=(side, side), mode="bilinear", align_corners=False)


def joined(stages: Sequence[Tensor], side: int) -> Tensor:
    """The maps of all stages at one resolution, `(N, C, side, side)` with C the sum of their channels."""
    return torch.cat([at_side(maps, side) for maps in stages], dim=1)


def image_code(stages: Sequence[Tensor]) -> Tensor:
    """What an image looks like as a whole, `(N, D)`: the features of its stages, averaged over a coarse grid.

    Args:
        stages: maps of the features of the image, `(N, C_l, H_l, W_l)` each.
    """
    return torch.cat([functional.adaptive_avg_pool2d(maps, CODE_GRID).flatten(1) for maps in stages], dim=1)
