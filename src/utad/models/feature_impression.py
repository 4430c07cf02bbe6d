"""The feature impression: the first stage's idea on what the measurement compares (docs/adr/0011).

IE-Net's bottleneck keeps what normal images have in common, and its decoder makes the impression that people look at.
A texture cannot be restored pixel by pixel that way, but the features of it can: an auto-encoder with a bottleneck of
its own restores the features of the image, and what is no part of normal ones is lost on the way. It learns to do so
from synthetic anomalies as well, whose normal features it has to give. Not part of the paper.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class FeatureImpression(nn.Module):
    """Restores the features of the normal image from those of any image.

    Pointwise, then `halvings` convolutions of stride 2 down to the code, mirrored back up.

    Args:
        channels: C, of all stages of the backbone together.
        width: channels within.
        code_channels: of the code, the bottleneck.
        halvings: of the sides, down to the code.

    Attributes:
        mean: of each channel over normal images, `(1, C, 1, 1)`.
        deviation: its standard deviation.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, channels: int, width: int, code_channels: int, halvings: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(1, channels, 1, 1))
        self.register_buffer("deviation", torch.ones(1, channels, 1, 1))
        self.head = _block(channels, width, kernel=1)
        self.down = nn.ModuleList([_block(width, width, kernel=3, stride=2) for _ in range(halvings)])
        self.to_code = nn.Conv2d(width, code_channels, 1)
        self.from_code = _block(code_channels, width, kernel=1)
        self.up = nn.ModuleList([_block(width, width, kernel=3) for _ in range(halvings)])
        self.tail = nn.Conv2d(width, channels, 1)

    def fit_scale(self, features: Tensor, positions: Tensor | None = None) -> None:
        """Takes mean and deviation from the features of normal images.

        Args:
            features: `(N, C, g, g)`, N at least 1.
            positions: bool `(g, g)`, those that count; None for all.
        """
        if positions is not None:
            features = features[..., positions][..., None]  # (N, C, P, 1)
        self.mean = features.mean(dim=(0, 2, 3), keepdim=True)
        deviation = features.std(dim=(0, 2, 3), keepdim=True, correction=0)
        # A channel that is always the same says nothing: it is restored as it is on normal images.
        self.deviation = torch.where(deviation > 0, deviation, torch.ones_like(deviation))

    def standardise(self, features: Tensor) -> Tensor:
        """Features `(N, C, g, g)` to mean 0 and deviation 1 over normal images."""
        return (features - self.mean) / self.deviation

    def restore(self, standardised: Tensor) -> Tensor:
        """Standardised features `(N, C, g, g)`, restored."""
        values = self.head(standardised)
        sides = []
        for block in self.down:
            sides.append(values.shape[-2:])
            values = block(values)
        values = self.from_code(self.to_code(values))
        for block in self.up:
            values = block(functional.interpolate(values, size=sides.pop()))
        restored: Tensor = self.tail(values)
        return restored

    def forward(self, features: Tensor) -> Tensor:
        """Features `(N, C, g, g)` of images to those that the normal images would have, the same shape."""
        return self.restore(self.standardise(features)) * self.deviation + self.mean


def _block(in_channels: int, out_channels: int, *, kernel: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.LeakyReLU(0.1),
    )
