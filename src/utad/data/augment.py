"""Training augmentation of a whole batch at once: flips, small rotation, resized crop."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from utad.config import AugmentConfig


def random_affine(count: int, config: AugmentConfig, generator: torch.Generator) -> Tensor:
    """One affine map from output to input coordinates per image, `(count, 2, 3)`.

    A crop of scale c shows a square of side c, placed at random within the image; the rotation is about the
    centre of the crop.
    """
    uniform = torch.rand(count, 6, generator=generator)
    angle = (2 * uniform[:, 0] - 1) * math.radians(config.rotation)
    scale = config.crop_scale + (1 - config.crop_scale) * uniform[:, 1]
    shift = (2 * uniform[:, 2:4] - 1) * (1 - scale)[:, None]
    flip_x = torch.where((uniform[:, 4] < 0.5) & config.horizontal_flip, -1.0, 1.0)
    flip_y = torch.where((uniform[:, 5] < 0.5) & config.vertical_flip, -1.0, 1.0)
    cosine, sine = scale * angle.cos(), scale * angle.sin()
    rows = [
        torch.stack([cosine * flip_x, -sine * flip_y, shift[:, 0]], dim=1),
        torch.stack([sine * flip_x, cosine * flip_y, shift[:, 1]], dim=1),
    ]
    return torch.stack(rows, dim=1)


def augment(images: Tensor, config: AugmentConfig, generator: torch.Generator) -> Tensor:
    """Augments each image on its own; what a rotation brings in from outside is mirrored.

    Args:
        images: `(N, C, S, S)` in [0, 1].
        config: which changes, and how strong.
        generator: the only source of randomness.

    Returns:
        `(N, C, S, S)` in [0, 1].
    """
    return mapped(images, random_affine(len(images), config, generator))


def mapped(images: Tensor, maps: Tensor) -> Tensor:
    """Each image through its affine map; what comes in from outside is mirrored.

    Args:
        images: `(N, C, S, S)`.
        maps: from output to input coordinates, `(N, 2, 3)`.

    Returns:
        `(N, C, S, S)`.
    """
    grid = functional.affine_grid(maps.to(images), list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
