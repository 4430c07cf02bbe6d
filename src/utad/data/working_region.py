"""The region of interest as the networks see it: at their size, and at the positions of their maps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name everyone gives it
from torch import Tensor

from utad.data.region_of_interest import RegionOfInterest
from utad.data.tensors import to_tensor

LEAST_COVERED = 0.25
"""Part of a position, or of a pixel of the networks, that has to be inside for it to count. Features of a position see
its neighbours too: what lies in a smaller part is not lost."""

LEAST_POSITIONS = 16
"""Fewest positions of the working grid that statistics can be made of."""

REDUCTION = 8
"""Side of the images that the networks see over that of the working grid."""


@dataclass(frozen=True)
class WorkingRegion:
    """The region of interest at the side S of the networks.

    Attributes:
        coverage: which part of each pixel is inside, `(S, S)` float32 in [0, 1].
        fill: what stands outside, `(C, 1, 1)` float32 in [0, 1].
    """

    coverage: Tensor = field(repr=False)
    fill: Tensor = field(repr=False)

    @classmethod
    def of(cls, region: RegionOfInterest, size: int, channels: int) -> Self:
        """The region at the side `size` for images of 1 or 3 channels."""
        mask = torch.from_numpy(region.mask.astype(np.float32))[None, None]  # (1, 1, h, w)
        coverage = F.interpolate(mask, size=(size, size), mode="bilinear", align_corners=False, antialias=True)
        return cls(coverage[0, 0].clamp(0, 1), to_tensor(np.array([[region.fill]], np.uint8), 1, channels))

    @property
    def touched(self) -> Tensor:
        """Which pixels have anything of the inside, bool `(S, S)`."""
        return self.coverage > 0

    def refilled(self, images: Tensor) -> Tensor:
        """Images `(N, C, S, S)` with the fill where nothing is inside, whatever a change of them brought there."""
        return torch.where(self.touched.to(images.device), images, self.fill.to(images))

    def positions(self, side: int) -> Tensor:
        """Which positions of a map count, bool `(side, side)`, at least one."""
        covered = F.adaptive_avg_pool2d(self.coverage[None], side)[0]
        return covered >= min(LEAST_COVERED, float(covered.max()))

    def n_working(self) -> tuple[int, int]:
        """How many positions of the working grid count, and how many there are."""
        positions = self.positions(max(1, self.coverage.shape[-1] // REDUCTION))
        return int(positions.sum()), positions.numel()


def pixels_of(region: WorkingRegion | None) -> Tensor | None:
    """Indices of the P pixels that count, row by row, `(P,)` int64; None for all of them."""
    if region is None:
        return None
    return region.positions(region.coverage.shape[-1]).flatten().nonzero().flatten()


def at_pixels(maps: Tensor, counted: Tensor | None) -> Tensor:
    """Maps `(N, S, S)` at the pixels that count, `(N, P)`; as they are where all do."""
    return maps if counted is None else maps.flatten(1)[:, counted]
