"""The features of the images that are compared, from one pass through the backbone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from utad.models.two_stage import ImageName, Images


def stacked(images: Images, names: Sequence[ImageName]) -> Tensor:
    """The named images as one batch, `(len(names) * N, C, S, S)`, in the order of `names`."""
    return torch.cat([images[name] for name in names])


def by_image(maps: Tensor, names: Sequence[ImageName]) -> dict[ImageName, Tensor]:
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
