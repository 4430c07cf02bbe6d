"""IE-Net, the first stage: from an image to its impression, what the part should look like (section 3.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from utad.models.upsampling import UpsampledConv


@dataclass(frozen=True)
class IEOutput:
    """What IE-Net makes of a batch of images `(N, C, S, S)`.

    Attributes:
        impression: m, `(N, C, S, S)` in [0, 1].
        feature_map: z before pooling, `(N, F, S / r, S / r)` with r the reduction of the encoder.
        mu: mean of the latent's posterior, `(N, latent_dim)`.
        log_var: its log variance, the same shape, within [-10, 10].
    """

    impression: Tensor
    feature_map: Tensor
    mu: Tensor
    log_var: Tensor


class AveragedConv(nn.Conv2d):
    """A 1x1 convolution of the averages over 3x3 of the input enlarged `scale` times a side (nearest).

    Pointwise convolutions commute with enlarging and averaging, so it comes first, where there are fewer values.
    """

    def __init__(self, in_channels: int, out_channels: int, *, scale: int) -> None:
        super().__init__(in_channels, out_channels, 1, bias=False)
        self.scale = scale

    def forward(self, features: Tensor) -> Tensor:
        """`(N, in_channels, H, W)` to `(N, out_channels, scale * H, scale * W)`."""
        branch = enlarged(super().forward(features), self.scale)
        return functional.avg_pool2d(branch, 3, stride=1, padding=1, count_include_pad=False)


class MaxPooledConv(nn.Conv2d):
    """A 1x1 convolution of the maxima over 3x3 of the input enlarged `scale` times a side (nearest)."""

    def __init__(self, in_channels: int, out_channels: int, *, scale: int) -> None:
        super().__init__(in_channels, out_channels, 1, bias=False)
        self.scale = scale

    def forward(self, features: Tensor) -> Tensor:
        """`(N, in_channels, H, W)` to `(N, out_channels, scale * H, scale * W)`."""
        return super().forward(functional.max_pool2d(enlarged(features, self.scale), 3, stride=1, padding=1))


def enlarged(features: Tensor, scale: int) -> Tensor:
    """Features `(N, C, H, W)` enlarged `scale` times a side (nearest)."""
    return functional.interpolate(features, scale_factor=scale) if scale > 1 else features


POOLED = {"average": AveragedConv, "max": MaxPooledConv}


class InceptionBlock(nn.Module):
    """Four parallel branches of `filters` channels each, concatenated (Szegedy et al., 2015).

    1x1, 3x3, 5x5, and a 1x1 of what is pooled over 3x3; each without bias, then batch norm and LeakyReLU 0.1. With
    `scale`, the block is that of its input enlarged so many times a side (nearest).

    Args:
        in_channels: channels of the input.
        filters: channels of each branch.
        scale: at least 1.
        pooling: of the fourth branch.
    """

    def __init__(
        self, in_channels: int, filters: int, *, scale: int = 1, pooling: Literal["average", "max"] = "average"
    ) -> None:
        super().__init__()
        self.scale = scale
        self.out_channels = 4 * filters
        self.point = nn.Conv2d(in_channels, filters, 1, bias=False)
        self.pooled = POOLED[pooling](in_channels, filters, scale=scale)
        self.small = UpsampledConv(in_channels, filters, 3, scale=scale, bias=False)
        self.large = UpsampledConv(in_channels, filters, 5, scale=scale, bias=False)
        self.norm = nn.BatchNorm2d(self.out_channels)

    def forward(self, features: Tensor) -> Tensor:
        """`(N, in_channels, H, W)` to `(N, 4 * filters, scale * H, scale * W)`."""
        point = enlarged(self.point(features), self.scale)  # before enlarging there are fewer values to convolve
        branches = torch.cat([point, self.small(features), self.large(features), self.pooled(features)], dim=1)
        return functional.leaky_relu(self.norm(branches), 0.1)


class Encoder(nn.Module):
    """E_M: inception blocks, each followed by max-pooling."""

    def __init__(
        self,
        channels: int,
        filters: tuple[int, ...],
        pools: tuple[int, ...],
        *,
        branch_pooling: Literal["average", "max"] = "average",
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width, pool in zip(filters, pools, strict=True):
            block = InceptionBlock(channels, width, pooling=branch_pooling)
            layers += [block, nn.MaxPool2d(pool)]
            channels = block.out_channels
        self.layers = nn.Sequential(*layers)
        self.out_channels = channels

    def forward(self, images: Tensor) -> Tensor:
        """`(N, C, S, S)` to `(N, 4 * filters[-1], S / r, S / r)`."""
        features: Tensor = self.layers(images)
        return features


class Decoder(nn.Module):
    """D_M: nearest upsampling and inception blocks in turn, then a 1x1 convolution and a sigmoid.

    With `shuffle` r above 1, the 1x1 convolution gives r * r pixels a position, which saves the inception
    block at full resolution, the costliest part of the network (the presets of the paper have 1).
    """

    def __init__(
        self,
        in_channels: int,
        filters: tuple[int, ...],
        scales: tuple[int, ...],
        out_channels: int,
        *,
        shuffle: int,
        branch_pooling: Literal["average", "max"] = "average",
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width, scale in zip(filters, scales, strict=True):
            layers.append(InceptionBlock(in_channels, width, scale=scale, pooling=branch_pooling))
            in_channels = 4 * width
        self.layers = nn.Sequential(*layers)
        self.to_image = nn.Sequential(
            nn.Conv2d(in_channels, out_channels * shuffle**2, 1), nn.PixelShuffle(shuffle), nn.Sigmoid()
        )

    def forward(self, feature_map: Tensor) -> Tensor:
        """`(N, F, S / r, S / r)` to an impression `(N, C, S, S)` in [0, 1]."""
        impression: Tensor = self.to_image(self.layers(feature_map))
        return impression


class LatentHead(nn.Module):
    """The MLP of three layers from the pooled feature map to mu and log sigma^2."""

    def __init__(self, in_channels: int, hidden_dim: int, latent_dim: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(in_channels, hidden_dim),
            nn.LeakyReLU(0.1),
            nn.Linear(hidden_dim, hidden_dim),
            nn.LeakyReLU(0.1),
            nn.Linear(hidden_dim, 2 * latent_dim),
        )

    def forward(self, feature_map: Tensor) -> tuple[Tensor, Tensor]:
        """`(N, F, h, w)` to mu and log sigma^2, `(N, latent_dim)` each."""
        pooled = feature_map.mean(dim=(2, 3))  # (N, F)
        mu, log_var = self.layers(pooled).chunk(2, dim=1)
        # exp(log_var) enters the prior's divergence; an unbounded one overflows in the first steps of SGD.
        return mu, log_var.clamp(-10.0, 10.0)


class IENet(nn.Module):
    """E_M, D_M and the latent head; the critic T of its training lives apart, in `utad.models.critics`."""

    def __init__(self, encoder: Encoder, decoder: Decoder, latent_head: LatentHead) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.latent_head = latent_head

    def forward(self, images: Tensor) -> IEOutput:
        """Images `(N, C, S, S)` in [0, 1] to impression, feature map and latent distribution."""
        feature_map = self.encoder(images)
        mu, log_var = self.latent_head(feature_map)
        return IEOutput(self.decoder(feature_map), feature_map, mu, log_var)
