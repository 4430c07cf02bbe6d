"""The networks that several compared methods share: the convolutional auto-encoder, the VAE head, and DCGAN."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

_AE_STRIDE = 16


def halvings(size: int, code_side: int | None) -> tuple[int, int]:
    """How often the auto-encoder halves an image before its own four halvings, and the side that is left for the code.

    Args:
        size: S, a multiple of 16.
        code_side: side at most, as far as halving gets there; None for no further halvings.
    """
    side, further = size // _AE_STRIDE, 0
    while code_side is not None and side > code_side and side % 2 == 0:
        side, further = side // 2, further + 1
    return further, side


class ConvEncoder(nn.Module):
    """The encoder of Bergmann et al. (2018, table 1): 4x4 of stride 2 and 3x3 in turn, then one over all that is left.

    Args:
        channels: of the images.
        size: S, a multiple of 16.
        outputs: numbers that describe an image.
        width: channels of the first layer; 32 there.
        code_side: side of what the last convolution sees, 8 there for images of 128 pixels: larger images are halved
            further first. None for S / 16.
    """

    def __init__(
        self, channels: int, size: int, outputs: int, *, width: int = 32, code_side: int | None = None
    ) -> None:
        super().__init__()
        further, side = halvings(size, code_side)
        plan = ((4, 2, 1), (4, 2, 1), (3, 1, 1), (4, 2, 2), (3, 1, 2), (4, 2, 4), (3, 1, 2), (3, 1, 1))
        layers: list[nn.Module] = []
        for kernel, stride, factor in (*plan[:1] * further, *plan):
            layers += [nn.Conv2d(channels, factor * width, kernel, stride, padding=1), nn.LeakyReLU(0.2)]
            channels = factor * width
        self.features = nn.Sequential(*layers)
        self.to_code = nn.Conv2d(channels, outputs, side)

    def forward(self, images: Tensor) -> Tensor:
        """`(N, C, S, S)` to `(N, outputs)`."""
        code: Tensor = self.to_code(self.features(images)).flatten(1)
        return code


class ConvDecoder(nn.Module):
    """The encoder of Bergmann et al. in reverse, with a sigmoid at the end."""

    def __init__(self, channels: int, size: int, inputs: int, *, width: int = 32, code_side: int | None = None) -> None:
        super().__init__()
        further, side = halvings(size, code_side)
        self.from_code = nn.ConvTranspose2d(inputs, width, side)
        plan = ((3, 1, 2), (3, 1, 4), (4, 2, 2), (3, 1, 2), (4, 2, 1), (3, 1, 1), (4, 2, 1))
        layers: list[nn.Module] = [nn.LeakyReLU(0.2)]
        before = width
        for kernel, stride, factor in (*plan, *plan[-1:] * further):
            kind = nn.Conv2d if stride == 1 else nn.ConvTranspose2d
            layers += [kind(before, factor * width, kernel, stride, padding=1), nn.LeakyReLU(0.2)]
            before = factor * width
        layers += [nn.ConvTranspose2d(before, channels, 4, 2, padding=1), nn.Sigmoid()]
        self.layers = nn.Sequential(*layers)

    def forward(self, codes: Tensor) -> Tensor:
        """`(N, inputs)` to images `(N, C, S, S)` in [0, 1]."""
        images: Tensor = self.layers(self.from_code(codes[:, :, None, None]))
        return images


class ConvVAE(nn.Module):
    """Encoder to mu and log sigma^2, decoder to the mean of a normal distribution; see `elbo_bound`."""

    def __init__(self, channels: int, size: int, latent_dim: int, *, width: int = 32) -> None:
        super().__init__()
        self.encoder = ConvEncoder(channels, size, 2 * latent_dim, width=width)
        self.decoder = ConvDecoder(channels, size, latent_dim, width=width)

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mu and log sigma^2, `(N, latent_dim)` each."""
        return self.split(self.encoder(images))

    def split(self, code: Tensor) -> tuple[Tensor, Tensor]:
        """Mu and log sigma^2, `(N, latent_dim)` each, of the encoder's `(N, 2 latent_dim)`."""
        mu, log_var = code.flatten(1).chunk(2, dim=1)
        return mu, log_var.clamp(-10.0, 10.0)

    def forward(self, images: Tensor) -> Tensor:
        """The reconstruction from mu, without sampling."""
        reconstruction: Tensor = self.decoder(self.encode(images)[0])
        return reconstruction


class Generator(nn.Module):
    """The generator of DCGAN (Radford et al., 2016): transposed convolutions of stride 2 with batch norm.

    Args:
        channels: of the images.
        size: S, a power of two of at least 32.
        latent_dim: of z; 100 there.
        width: channels before the last layer; 64 there.
    """

    def __init__(self, channels: int, size: int, latent_dim: int, *, width: int = 64) -> None:
        super().__init__()
        doublings = int(math.log2(size)) - 3
        widths = [width * min(8, 2**level) for level in reversed(range(doublings + 1))]
        layers: list[nn.Module] = [nn.ConvTranspose2d(latent_dim, widths[0], 4, bias=False)]
        layers += [nn.BatchNorm2d(widths[0]), nn.ReLU()]
        for before, after in pairwise(widths):
            layers += [nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        layers += [nn.ConvTranspose2d(widths[-1], channels, 4, 2, 1), nn.Sigmoid()]
        self.layers = nn.Sequential(*layers)

    def forward(self, latent: Tensor) -> Tensor:
        """`(N, latent_dim)` to images `(N, C, S, S)` in [0, 1]."""
        images: Tensor = self.layers(latent[:, :, None, None])
        return images


class Discriminator(nn.Module):
    """The discriminator of DCGAN: convolutions of stride 2, LeakyReLU 0.2, batch norm but for the first.

    With `outputs` above 1 it serves as an encoder.

    Args:
        channels: of the images.
        size: S, a power of two of at least 32.
        width: channels of the first layer; 64 there.
        outputs: numbers for an image.
        norm: of so many channels.
    """

    def __init__(
        self,
        channels: int,
        size: int,
        *,
        width: int = 64,
        outputs: int = 1,
        norm: Callable[[int], nn.Module] = nn.BatchNorm2d,
    ) -> None:
        super().__init__()
        halvings = int(math.log2(size)) - 2
        layers: list[nn.Module] = []
        for level in range(halvings):
            after = width * min(8, 2**level)
            layers.append(nn.Conv2d(channels, after, 4, 2, 1, bias=level == 0))
            layers += [norm(after)] if level else []
            layers.append(nn.LeakyReLU(0.2))
            channels = after
        self.features = nn.Sequential(*layers)
        self.head = nn.Conv2d(channels, outputs, 4)

    def forward(self, images: Tensor) -> Tensor:
        """`(N, C, S, S)` to logits `(N, outputs)`."""
        logits: Tensor = self.head(self.features(images)).flatten(1)
        return logits


def signed(images: Tensor) -> Tensor:
    """Images in [0, 1] of any shape as those in [-1, 1] that the GANs of the sources see."""
    return 2 * images - 1


def noisy(images: Tensor, deviation: float) -> Tensor:
    """Images of any shape with Gaussian noise of that standard deviation, drawn from torch's own generator."""
    return images + deviation * torch.randn_like(images)


def adversarial_loss(logits: Tensor, *, real: bool) -> Tensor:
    """Cross-entropy of a discriminator's logits, of any shape, with real or with generated images; a scalar."""
    return functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(real)))


def sampled(mu: Tensor, log_var: Tensor) -> Tensor:
    """A latent of any shape from N(mu, sigma^2), drawn from torch's own generator."""
    return mu + torch.exp(0.5 * log_var) * torch.randn_like(mu)


def negative_elbo(network: ConvVAE, images: Tensor) -> Tensor:
    """What a VAE minimises: the mean over images `(N, C, S, S)` of `elbo_bound` for a sampled code; a scalar."""
    mu, log_var = network.encode(images)
    return elbo_bound(images, network.decoder(sampled(mu, log_var)), mu, log_var)


def elbo_bound(images: Tensor, restored: Tensor, mu: Tensor, log_var: Tensor) -> Tensor:
    """The negative logarithm of the density of x, bounded, per image.

    |x - x_hat|^2 / (2 gamma^2) + S^2 C log gamma + KL(q(z|x) || N(0, 1)), x_hat being restored from a sampled code.
    gamma, the decoder's standard deviation, has the value that is best for the batch: the root of the mean squared
    error, at least 0.01. With a fixed gamma the code collapses on images that differ little (Dai and Wipf, ICLR 2019).

    Args:
        images: x, `(N, C, S, S)`.
        restored: x_hat, the same.
        mu: of the code, `(N, ...)`.
        log_var: log sigma^2 of the code, the same.

    Returns:
        A scalar, apart from a constant.
    """
    squared = (images - restored).square().flatten(1).sum(dim=1)
    divergence = -0.5 * (1 + log_var - mu.square() - log_var.exp()).flatten(1).sum(dim=1)
    values = images[0].numel()
    gamma_squared = (squared.detach().mean() / values).clamp_min(1e-4)
    total: Tensor = (0.5 * squared / gamma_squared + 0.5 * values * gamma_squared.log() + divergence).mean()
    return total
