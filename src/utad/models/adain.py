"""Adaptive instance normalisation (Huang and Belongie, 2017), stateless: scale and shift are arguments."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def adaptive_instance_norm(content: Tensor, scale: Tensor, shift: Tensor, epsilon: float = 1e-5) -> Tensor:
    """Gives each channel of each image mean `shift` and standard deviation `|1 + scale|`.

    Deviation from MUNIT, where the scale is used as it is: `1 + scale` makes a detail MLP near zero, as it is
    at the start, the identity instead of a constant image.

    Args:
        content: `(N, C, H, W)`.
        scale: `(N, C)`.
        shift: `(N, C)`.
        epsilon: added to the variance.
    """
    normalised = functional.instance_norm(content, eps=epsilon)
    return normalised * (1.0 + scale[:, :, None, None]) + shift[:, :, None, None]


class AdaINResidualBlock(nn.Module):
    """Two 3x3 convolutions, each followed by AdaIN, around a skip connection."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.first = nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect")
        self.second = nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect")

    @property
    def parameters_needed(self) -> int:
        """Numbers of AdaIN that one image needs: a scale and a shift per channel for both convolutions."""
        return 4 * self.channels

    def forward(self, content: Tensor, style: Tensor) -> Tensor:
        """`(N, C, H, W)` and AdaIN parameters `(N, 4 * C)` to `(N, C, H, W)`."""
        scale_1, shift_1, scale_2, shift_2 = style.chunk(4, dim=1)
        hidden = torch.relu(adaptive_instance_norm(self.first(content), scale_1, shift_1))
        return content + adaptive_instance_norm(self.second(hidden), scale_2, shift_2)
