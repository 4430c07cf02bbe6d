"""The parts of Expert-Net in the paper's layout, after MUNIT's AdaIN auto-encoder (Huang et al., 2018)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from utad.models.adain import AdaINResidualBlock


def reflect_conv(in_channels: int, out_channels: int, kernel: int, *, stride: int = 1, padding: int) -> nn.Conv2d:
    """A convolution with reflect padding."""
    return nn.Conv2d(in_channels, out_channels, kernel, stride, padding, padding_mode="reflect")


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with instance norm around a skip connection."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = reflect_conv(channels, channels, 3, padding=1)
        self.second = reflect_conv(channels, channels, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """`(N, C, H, W)` to the same."""
        hidden = torch.relu(functional.instance_norm(self.first(features)))
        return features + functional.instance_norm(self.second(hidden))


class ImageLayerNorm(nn.Module):
    """Normalises over channels and positions of each image; scale and shift per channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, channels)

    def forward(self, features: Tensor) -> Tensor:
        """`(N, C, H, W)` to the same."""
        normalised: Tensor = self.norm(features)
        return normalised


class ContentEncoder(nn.Module):
    """E_X: 7x7, two 4x4 of stride 2, residual blocks; instance norm and ReLU."""

    def __init__(self, channels: int, width: int, residual_blocks: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            [
                reflect_conv(channels, width, 7, padding=3),
                reflect_conv(width, 2 * width, 4, stride=2, padding=1),
                reflect_conv(2 * width, 4 * width, 4, stride=2, padding=1),
            ]
        )
        self.residual = nn.Sequential(*(ResidualBlock(4 * width) for _ in range(residual_blocks)))

    def forward(self, images: Tensor) -> Tensor:
        """`(N, C, S, S)` to content `(N, 4 * width, S / 4, S / 4)`."""
        features = images
        for convolution in self.convolutions:
            features = torch.relu(functional.instance_norm(convolution(features)))
        content: Tensor = self.residual(features)
        return content


class DetailExtractor(nn.Module):
    """E_S: three convolutions, adaptive average pooling, and the code. No norm: it would remove the style."""

    def __init__(self, channels: int, width: int, detail_dim: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            reflect_conv(channels, width, 7, padding=3),
            nn.ReLU(inplace=True),
            reflect_conv(width, 2 * width, 4, stride=2, padding=1),
            nn.ReLU(inplace=True),
            reflect_conv(2 * width, 4 * width, 4, stride=2, padding=1),
            nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(4 * width, detail_dim, 1),
            nn.Flatten(),
        )

    def forward(self, images: Tensor) -> Tensor:
        """`(N, C, S, S)` to s, `(N, detail_dim)`."""
        detail: Tensor = self.layers(images)
        return detail


class AdaINTrunk(nn.Module):
    """Residual blocks with AdaIN whose parameters an MLP of three layers computes from the detail code."""

    def __init__(self, channels: int, residual_blocks: int, detail_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([AdaINResidualBlock(channels) for _ in range(residual_blocks)])
        self.mlp = nn.Sequential(
            nn.Linear(detail_dim, hidden_dim),
            nn.ReLU(inplace=True),
            nn.Linear(hidden_dim, hidden_dim),
            nn.ReLU(inplace=True),
            nn.Linear(hidden_dim, residual_blocks * 4 * channels),
        )

    def forward(self, content: Tensor, detail: Tensor) -> Tensor:
        """Content `(N, C, h, w)` and s `(N, detail_dim)` to `(N, C, h, w)`."""
        styles = self.mlp(detail).chunk(len(self.blocks), dim=1)
        for block, style in zip(self.blocks, styles, strict=True):
            content = block(content, style)
        return content


class Decoder(nn.Module):
    """D: AdaIN trunk, two times upsampling by 2 and 5x5 with layer norm, 7x7, sigmoid.

    MUNIT ends in tanh on images in [-1, 1]; images here are in [0, 1], hence the sigmoid.
    """

    def __init__(self, channels: int, width: int, residual_blocks: int, detail_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.trunk = AdaINTrunk(4 * width, residual_blocks, detail_dim, hidden_dim)
        layers: list[nn.Module] = []
        for inputs, outputs in ((4 * width, 2 * width), (2 * width, width)):
            layers += [
                nn.Upsample(scale_factor=2, mode="nearest"),
                reflect_conv(inputs, outputs, 5, padding=2),
                ImageLayerNorm(outputs),
                nn.ReLU(inplace=True),
            ]
        self.upsampling = nn.Sequential(*layers, reflect_conv(width, channels, 7, padding=3), nn.Sigmoid())

    def forward(self, content: Tensor, detail: Tensor) -> Tensor:
        """Content `(N, 4 * width, S / 4, S / 4)` and s `(N, detail_dim)` to an image `(N, C, S, S)` in [0, 1]."""
        image: Tensor = self.upsampling(self.trunk(content, detail))
        return image
