"""Corrupted copies of normal images: which changes of the features mean that the image was changed.

A part is covered by a mask of random outline, and its content replaced in one of three ways that take nothing but
normal images: by content of another image, by the same turned, scaled and in other light, or by itself under smooth
noise. Content of one normal image on another is the idea of CutPaste (Li et al., 2021), which trains a classifier on
it; here it is only measured. These are not defects, and none looks like one on purpose; `data.synthesis` is for
benchmarks alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

_SIDES = (0.06, 0.5)
"""Shortest and longest side of the window that is changed, as parts of the image."""

_COVERED = (0.01, 0.5)
"""Part of the image that the outline would cover without its window."""

_COARSENESS = (2, 8)
"""Cells a side of the smooth noise whose highest part is the outline."""

_LEAST_SIDE = 3
_LEAST_SPREAD = 0.05


@dataclass(frozen=True)
class Corrupted:
    """Changed images and where they are changed.

    Attributes:
        images: `(N, C, S, S)` in [0, 1].
        mask: bool `(N, S, S)`, true where the image was changed.
    """

    images: Tensor
    mask: Tensor


def corrupt(images: Tensor, donors: Tensor, way: int, generator: torch.Generator) -> Corrupted:
    """Changes a part of each image.

    Args:
        images: normal images, `(N, C, S, S)` float32 in [0, 1]; they are not changed.
        donors: other normal images, of the same shape.
        way: which of `WAYS`, counted on without end.
        generator: the only source of randomness.

    Returns:
        The changed images and their masks, each of at least 9 pixels.
    """
    side = images.shape[-1]
    mask = torch.stack([_outline(side, generator) for _ in images])  # (N, 1, S, S)
    content, opacity = WAYS[way % len(WAYS)](images, donors, generator)
    share = opacity * functional.avg_pool2d(mask, 3, stride=1, padding=1)
    return Corrupted((images + share * (content - images)).clamp(0.0, 1.0), mask[:, 0] > 0)


def _outline(side: int, generator: torch.Generator) -> Tensor:
    """A mask `(1, S, S)` of zeros and ones: what of a random blot lies inside a random window."""
    low, high = _COARSENESS
    cells = [int(torch.randint(low, high + 1, (1,), generator=generator)) for _ in range(2)]
    noise = torch.rand(1, 1, *cells, generator=generator)
    blot = functional.interpolate(noise, size=(side, side), mode="bicubic", align_corners=False)[0]
    blot = blot > torch.quantile(blot, 1 - _between(*_COVERED, generator))
    window = torch.zeros_like(blot)
    height, width = (
        max(_LEAST_SIDE, int(side * math.exp(_between(math.log(_SIDES[0]), math.log(_SIDES[1]), generator))))
        for _ in range(2)
    )
    top, left = (int(torch.randint(0, side - length + 1, (1,), generator=generator)) for length in (height, width))
    window[:, top : top + height, left : left + width] = True
    inside = blot & window
    return (inside if int(inside.sum()) >= _LEAST_SIDE**2 else window).float()


def _moved(images: Tensor, donors: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    side = images.shape[-1]
    down, right = (int(torch.randint(side // 4, 3 * side // 4, (1,), generator=generator)) for _ in range(2))
    return donors.roll((down, right), dims=(2, 3)), images.new_ones(len(images), 1, 1, 1)


def _reworked(images: Tensor, donors: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    count, channels = images.shape[:2]
    spread, centre = _spread(images), images.mean(dim=(1, 2, 3), keepdim=True)
    turned = torch.stack([_turned(donor, generator) for donor in donors])
    choice = torch.rand(count, 1, 1, 1, generator=generator)
    contrast = torch.exp(0.5 * torch.randn(count, 1, 1, 1, generator=generator))
    light = spread * torch.randn(count, channels, 1, 1, generator=generator)
    # In turn: a donor as light as it is, a donor in other light, the image itself in other light.
    source = torch.where(choice < 0.6, turned, images)
    content = centre + contrast * (source - centre) + torch.where(choice < 0.3, torch.zeros_like(light), light)
    return content, 0.3 + 0.7 * torch.rand(count, 1, 1, 1, generator=generator)


def _noisy(images: Tensor, donors: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:  # noqa: ARG001
    count, channels, side = images.shape[:3]
    finest = math.log2(max(4, side // 2))
    noise = []
    for _ in range(count):
        cells = int(2 ** _between(1, finest, generator))
        drawn = torch.randn(1, channels, cells, cells, generator=generator)
        noise.append(functional.interpolate(drawn, size=(side, side), mode="bilinear", align_corners=False)[0])
    return images + _spread(images) * torch.stack(noise), images.new_ones(count, 1, 1, 1)


Way = Callable[[Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor]]

WAYS: tuple[Way, ...] = (_moved, _reworked, _noisy)
"""From images and donors to new content, `(N, C, S, S)`, and its opacity, `(N, 1, 1, 1)`."""


def _turned(image: Tensor, generator: torch.Generator) -> Tensor:
    """An image `(C, S, S)` turned by right angles, mirrored, scaled by 0.5 to 2, and filled up with itself."""
    side = image.shape[-1]
    image = torch.rot90(image, int(torch.randint(0, 4, (1,), generator=generator)), (1, 2))
    if _between(0, 1, generator) < 0.5:
        image = image.flip(1)
    size = max(4, int(side * _between(0.5, 2, generator)))
    scaled = functional.interpolate(
        image[None], size=(size, size), mode="bilinear", antialias=True, align_corners=False
    )[0]
    copies = -(-side // size)
    scaled = scaled.repeat(1, copies, copies)
    top, left = (int(torch.randint(0, scaled.shape[-1] - side + 1, (1,), generator=generator)) for _ in range(2))
    return scaled[:, top : top + side, left : left + side]


def _spread(images: Tensor) -> Tensor:
    return images.std(dim=(1, 2, 3), keepdim=True, correction=0).clamp_min(_LEAST_SPREAD)


def _between(low: float, high: float, generator: torch.Generator) -> float:
    return low + (high - low) * float(torch.rand(1, generator=generator))
