"""The inception block of IE-Net."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from utad.models.upsampling import UpsampledConv


class InceptionBlock(nn.Module):
    """Four parallel branches of `filters` channels each, concatenated (Szegedy et al., 2015).

    1x1, 3x3, 5x5, and 3x3 average pooling followed by 1x1; each without bias, then batch norm and LeakyReLU 0.1.
    Computed so that the costly steps see few values, with the same result: the 1x1 convolutions come before the
    pooling and before the enlarging, both of which act on each channel alone, and the branches share one batch norm,
    which treats each channel alone too.

    Args:
        in_channels: channels of the input.
        filters: channels of each branch.
        scale: the block is that of its input enlarged so many times a side (nearest), at least 1.
    """

    def __init__(self, in_channels: int, filters: int, *, scale: int = 1) -> None:
        super().__init__()
        self.filters = filters
        self.scale = scale
        self.out_channels = 4 * filters
        self.point = nn.Conv2d(in_channels, 2 * filters, 1, bias=False)  # that of the first branch, and of the pooled
        self.small = UpsampledConv(in_channels, filters, 3, scale=scale, bias=False)
        self.large = UpsampledConv(in_channels, filters, 5, scale=scale, bias=False)
        self.norm = nn.BatchNorm2d(self.out_channels)

    def forward(self, features: Tensor) -> Tensor:
        """`(N, in_channels, H, W)` to `(N, 4 * filters, scale * H, scale * W)`."""
        # A 1x1 convolution of a single channel gives channels-first, and all behind it would be copied to and fro.
        points = self.point(features).contiguous(memory_format=torch.channels_last)
        point, pooled = points.split(self.filters, dim=1)  # (N, filters, H, W) each
        if self.scale > 1:
            point, pooled = (functional.interpolate(part, scale_factor=self.scale) for part in (point, pooled))
        pooled = functional.avg_pool2d(pooled, 3, stride=1, padding=1, count_include_pad=False)
        branches = torch.cat([point, self.small(features), self.large(features), pooled], dim=1)
        return functional.leaky_relu(self.norm(branches), 0.1, inplace=True)
