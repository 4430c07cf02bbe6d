"""Nearest upsampling followed by a convolution, as one transposed convolution."""

from __future__ import annotations

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
        bias: whether a value is added to each channel.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int, *, scale: int, bias: bool = True) -> None:
        super().__init__(in_channels, out_channels, kernel, padding=kernel // 2, bias=bias)
        self.scale = scale

    def forward(self, features: Tensor) -> Tensor:
        """`(N, in_channels, H, W)` to `(N, out_channels, s * H, s * W)`."""
        kernel, scale = self.kernel_size[0], self.scale
        if scale == 1:
            return super().forward(features)
        return functional.conv_transpose2d(
            features, summed_kernel(self.weight, scale), self.bias, stride=scale, padding=kernel // 2
        )

    def for_inference(self) -> nn.Conv2d | nn.ConvTranspose2d:
        """A layer that gives the same, with its kernel added up once and for all."""
        if self.scale == 1:
            return self
        size = self.kernel_size[0]
        bias = self.bias is not None
        layer = nn.ConvTranspose2d(
            self.in_channels, self.out_channels, size + self.scale - 1, stride=self.scale, padding=size // 2, bias=bias
        )
        layer.weight.data = summed_kernel(self.weight.detach(), self.scale)
        if self.bias is not None:
            layer.bias = nn.Parameter(self.bias.detach())
        return layer


def summed_kernel(weight: Tensor, scale: int) -> Tensor:
    """Weights of a transposed convolution of stride `scale`: those that meet the same value, added up.

    Args:
        weight: of the convolution of the enlarged image, `(out, in, k, k)`.
        scale: s.

    Returns:
        `(in, out, k + s - 1, k + s - 1)`.
    """
    spread = functional.pad(weight.flip(2, 3), [scale - 1] * 4)
    # Sums over windows of s x s: (out, in, k + s - 1, k + s - 1). ONNX has no divisor_override.
    summed = functional.avg_pool2d(spread, scale, stride=1) * scale**2
    return summed.transpose(0, 1)
