"""Nearest upsampling followed by a convolution, as one transposed convolution."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class UpsampledConv(nn.Conv2d):
    """A convolution of the image enlarged by `scale` (nearest), zero-padded so that the size stays.

    The enlarged image holds each value `scale` times a side, so the products with one value can be added up
    before they are computed: the same result from (k + s - 1)^2 / s^2 instead of k^2 products a pixel.

    Args:
        in_channels: of the image.
        out_channels: of the result.
        kernel: side k, odd.
        scale: s, at least 1.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int, *, scale: int) -> None:
        super().__init__(in_channels, out_channels, kernel, padding=kernel // 2)
        self.scale = scale

    def forward(self, features: Tensor) -> Tensor:
        """`(N, in_channels, H, W)` to `(N, out_channels, s * H, s * W)`."""
        kernel, scale = self.kernel_size[0], self.scale
        flipped = self.weight.flip(2, 3).reshape(-1, 1, kernel, kernel)
        box = torch.ones(1, 1, scale, scale, dtype=flipped.dtype, device=flipped.device)
        summed = functional.conv2d(flipped, box, padding=scale - 1)  # (out * in, 1, k + s - 1, k + s - 1)
        side = kernel + scale - 1
        weight = summed.reshape(self.out_channels, self.in_channels, side, side).transpose(0, 1)
        return functional.conv_transpose2d(features, weight, self.bias, stride=scale, padding=kernel // 2)
