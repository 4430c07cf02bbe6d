"""Synthetic anomalies: normal images with a part changed, which say what a change does to the features.

A region of random outline gets other content, made in one of three ways from normal images alone: content of another
image; the same rotated, scaled and with other illumination; or the image itself under smooth noise. Content of one
normal image on another is the idea of CutPaste (Li et al., 2021), which trains a classifier on it; here its features
are measured. These are not meant to look like defects; the defects of `data.synthesis` are for benchmarks alone.
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
"""Lattice points per side of the smooth noise that is thresholded to give the outline."""

_LEAST_SIDE = 3
_LEAST_DEVIATION = 0.05
_DRAWN = 50
"""Outlines that are drawn at most until one has enough of itself in the region of interest."""


@dataclass(frozen=True)
class SyntheticAnomalies:
    """Changed images and where they are changed.

    Attributes:
        images: `(N, C, S, S)` in [0, 1].
        mask: bool `(N, S, S)`, true where the image was changed.
    """

    images: Tensor
    mask: Tensor


def add_anomalies(
    images: Tensor, donors: Tensor, kind: int, generator: torch.Generator, *, inside: Tensor | None = None
) -> SyntheticAnomalies:
    """Changes a part of each image.

    Args:
        images: normal images, `(N, C, S, S)` float32 in [0, 1]; they are not changed.
        donors: other normal images, of the same shape.
        kind: which of `KINDS`, modulo their number.
        generator: the only source of randomness.
        inside: bool `(S, S)`, the region of interest, outside of which nothing is changed; None for the whole image.

    Returns:
        The changed images and their masks, each of at least 9 pixels unless the region has fewer.
    """
    side = images.shape[-1]
    mask = torch.stack([_outline_inside(side, generator, inside) for _ in images])  # (N, 1, S, S)
    content, opacity = KINDS[kind % len(KINDS)](images, donors, generator)
    share = opacity * functional.avg_pool2d(mask, 3, stride=1, padding=1)
    if inside is not None:
        share = share * inside
    return SyntheticAnomalies((images + share * (content - images)).clamp(0.0, 1.0), mask[:, 0] > 0)


def _outline_inside(side: int, generator: torch.Generator, inside: Tensor | None) -> Tensor:
    """An outline as of `_outline`, of which only what is inside is left; the whole inside where none hits it."""
    if inside is None:
        return _outline(side, generator)
    for _ in range(_DRAWN):
        outline = _outline(side, generator) * inside
        if int(outline.sum()) >= _LEAST_SIDE**2:
            return outline
    return inside[None].float()


def _outline(side: int, generator: torch.Generator) -> Tensor:
    """A mask `(1, S, S)` of zeros and ones: what of a random blot lies inside a random window."""
    low, high = _COARSENESS
    points = [int(torch.randint(low, high + 1, (1,), generator=generator)) for _ in range(2)]
    noise = torch.rand(1, 1, *points, generator=generator)
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
    deviation, centre = _deviation(images), images.mean(dim=(1, 2, 3), keepdim=True)
    turned = torch.stack([_turned(donor, generator) for donor in donors])
    choice = torch.rand(count, 1, 1, 1, generator=generator)
    contrast = torch.exp(0.5 * torch.randn(count, 1, 1, 1, generator=generator))
    illumination = deviation * torch.randn(count, channels, 1, 1, generator=generator)
    # In turn: a donor as it is, a donor with other illumination, the image itself with other illumination.
    source = torch.where(choice < 0.6, turned, images)
    content = (
        centre + contrast * (source - centre) + torch.where(choice < 0.3, torch.zeros_like(illumination), illumination)
    )
    return content, 0.3 + 0.7 * torch.rand(count, 1, 1, 1, generator=generator)


def _noisy(images: Tensor, donors: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:  # noqa: ARG001
    count, channels, side = images.shape[:3]
    finest = math.log2(max(4, side // 2))
    noise = []
    for _ in range(count):
        points = int(2 ** _between(1, finest, generator))
        drawn = torch.randn(1, channels, points, points, generator=generator)
        noise.append(functional.interpolate(drawn, size=(side, side), mode="bilinear", align_corners=False)[0])
    return images + _deviation(images) * torch.stack(noise), images.new_ones(count, 1, 1, 1)


Kind = Callable[[Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor]]

KINDS: tuple[Kind, ...] = (_moved, _reworked, _noisy)
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


def _deviation(images: Tensor) -> Tensor:
    return images.std(dim=(1, 2, 3), keepdim=True, correction=0).clamp_min(_LEAST_DEVIATION)


def _between(low: float, high: float, generator: torch.Generator) -> float:
    return low + (high - low) * float(torch.rand(1, generator=generator))
