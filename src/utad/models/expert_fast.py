"""The parts of Expert-Net in the fast layout: the heavy work is done at a quarter of the resolution.

Pixel-unshuffle by 2 first, pixel-shuffle last. The decoder's output is added to its input by `ExpertNet`
(`skip=True`), so that it starts as the identity and learns the details alone. LeakyReLU, since ReLU units behind
a last layer that starts at zero died within a few hundred steps.
"""

from __future__ import annotations

from torch import Tensor, nn

from utad.models.expert_paper import AdaINTrunk, ResidualBlock
from utad.models.upsampling import UpsampledConv


class FastContentEncoder(nn.Module):
    """E_X: 3x3 at half the resolution, 4x4 of stride 2, residual blocks."""

    def __init__(self, channels: int, width: int, residual_blocks: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.PixelUnshuffle(2),
            nn.Conv2d(4 * channels, width, 3, padding=1),
            nn.LeakyReLU(0.1, inplace=True),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
            nn.InstanceNorm2d(2 * width),
            nn.LeakyReLU(0.1, inplace=True),
            *(ResidualBlock(2 * width) for _ in range(residual_blocks)),
        )

    def forward(self, images: Tensor) -> Tensor:
        """`(N, C, S, S)` to content `(N, 2 * width, S / 4, S / 4)`."""
        content: Tensor = self.layers(images)
        return content


class FastDetailExtractor(nn.Module):
    """E_S: three convolutions of stride 2 after the unshuffling, pooling, and the code."""

    def __init__(self, channels: int, width: int, detail_dim: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.PixelUnshuffle(2),
            nn.Conv2d(4 * channels, width, 3, stride=2, padding=1),
            nn.LeakyReLU(0.1, inplace=True),
            nn.Conv2d(width, width, 3, stride=2, padding=1),
            nn.LeakyReLU(0.1, inplace=True),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
            nn.LeakyReLU(0.1, inplace=True),
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(2 * width, detail_dim, 1),
            nn.Flatten(),
        )

    def forward(self, images: Tensor) -> Tensor:
        """`(N, C, S, S)` to s, `(N, detail_dim)`."""
        detail: Tensor = self.layers(images)
        return detail


class FastDecoder(nn.Module):
    """D: AdaIN trunk, upsampling by 2 and 3x3, then 3x3 to the pixel-shuffle. Output without activation."""

    def __init__(self, channels: int, width: int, residual_blocks: int, detail_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.trunk = AdaINTrunk(2 * width, residual_blocks, detail_dim, hidden_dim)
        last = nn.Conv2d(width, 4 * channels, 3, padding=1)
        # The skip makes a zero output the identity: start there.
        nn.init.zeros_(last.weight)
        assert last.bias is not None
        nn.init.zeros_(last.bias)
        self.upsampling = nn.Sequential(
            UpsampledConv(2 * width, width, 3, scale=2),
            nn.LeakyReLU(0.1, inplace=True),
            last,
            nn.PixelShuffle(2),
        )

    def forward(self, content: Tensor, detail: Tensor) -> Tensor:
        """Content `(N, 2 * width, S / 4, S / 4)` and s `(N, detail_dim)` to a difference `(N, C, S, S)`."""
        difference: Tensor = self.upsampling(self.trunk(content, detail))
        return difference
