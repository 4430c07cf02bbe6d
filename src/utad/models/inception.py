"""The inception block of IE-Net."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def conv_norm(in_channels: int, out_channels: int, kernel: int) -> nn.Sequential:
    """A convolution that keeps the size, without bias, then batch norm and LeakyReLU 0.1."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.LeakyReLU(0.1, inplace=True),
    )


class InceptionBlock(nn.Module):
    """Four parallel branches of `filters` channels each, concatenated (Szegedy et al., 2015).

    1x1, 3x3, 5x5, and 3x3 average pooling followed by 1x1.

    Args:
        in_channels: channels of the input.
        filters: channels of each branch.
    """

    def __init__(self, in_channels: int, filters: int) -> None:
        super().__init__()
        self.point = conv_norm(in_channels, filters, 1)
        self.small = conv_norm(in_channels, filters, 3)
        self.large = conv_norm(in_channels, filters, 5)
        self.pooled = nn.Sequential(
            nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False), conv_norm(in_channels, filters, 1)
        )
        self.out_channels = 4 * filters

    def forward(self, features: Tensor) -> Tensor:
        """`(N, in_channels, H, W)` to `(N, 4 * filters, H, W)`."""
        branches = (self.point(features), self.small(features), self.large(features), self.pooled(features))
        return torch.cat(branches, dim=1)
