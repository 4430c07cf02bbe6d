"""Skip-GANomaly (Akcay et al., "Skip-GANomaly", IJCNN 2019).

A U-Net restores normal images, which it sees with Gaussian noise on them, against a discriminator. Its loss is
adversarial + 40 |x - x_hat| + the latent term |f(x) - f(x_hat)|^2, where f are the 100 numbers of the discriminator's
last convolution, from which one layer more judges the image; the discriminator minimises the latent term too, as in the
released code. The image's score is 0.9 |x - x_hat| + 0.1 |f(x) - f(x_hat)|^2, all means, and the map the difference of
the images.

Weights, the size of the latent, Adam's settings, the score and the images in [-1, 1] that the networks see are the
source's. The noise has the standard deviation 0.2 of the released code's options; test images get none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from utad.baselines.baseline import Scores
from utad.baselines.blocks import Discriminator, adversarial_loss, noisy, signed
from utad.baselines.departures import Departures
from utad.baselines.features import smooth
from utad.baselines.fitting import AdversarialBaseline

WEIGHT_ADVERSARIAL, WEIGHT_CONTEXT, WEIGHT_LATENT = 1.0, 40.0, 1.0
SHARE_OF_IMAGES = 0.9
LATENT_DIM = 100


class UNet(nn.Module):
    """Halves the side down to 4 and doubles it back; each level hands its features across.

    Args:
        channels: of the images.
        size: S, a power of two of at least 32.
        width: channels of the first level.
    """

    def __init__(self, channels: int, size: int, *, width: int) -> None:
        super().__init__()
        levels = int(math.log2(size)) - 2
        widths = [width * min(8, 2**level) for level in range(levels)]
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for level, inner in enumerate(widths):
            convolution = nn.Conv2d(widths[level - 1] if level else channels, inner, 4, 2, 1)
            norm = nn.BatchNorm2d(inner) if level else nn.Identity()
            self.down.append(nn.Sequential(convolution, norm, nn.LeakyReLU(0.2)))
        for level, inner in enumerate(widths):
            outer = widths[max(level - 1, 0)]
            handed = inner if level == levels - 1 else 2 * inner
            up = nn.ConvTranspose2d(handed, outer, 4, 2, 1)
            self.up.append(nn.Sequential(up, nn.BatchNorm2d(outer), nn.ReLU()))
        self.last = nn.Conv2d(width, channels, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        """`(N, C, S, S)` to the same in [0, 1]."""
        passed = []
        values = images
        for down in self.down:
            values = down(values)
            passed.append(values)
        for level in reversed(range(len(self.up))):
            values = self.up[level](values if level == len(self.up) - 1 else torch.cat([values, passed[level]], dim=1))
        restored: Tensor = torch.sigmoid(self.last(values))
        return restored


@dataclass(kw_only=True, eq=False)
class SkipGANomaly(AdversarialBaseline):
    """Adversarial reconstruction with skip connections.

    Args:
        width: channels of the first level of both networks; 64 in the source.
        noise: standard deviation of what is added to the images in [-1, 1] that train the U-Net.
    """

    name = "skip-ganomaly"
    needs_power_of_two = True
    departs: ClassVar[Departures] = Departures(
        source="Akçay et al., IJCNN 2019",
        changes=(
            "{width} instead of 64 channels",
            "a U-Net down to a side of 4 instead of 1",
            "scores not scaled to [0, 1] over the test images",
            "the map is smoothed by a Gaussian of sigma 1",
        ),
        source_steps="15 epochs of 12000 images and more",
    )

    width: int = 32
    noise: float = 0.2

    def learn(self, images: Tensor) -> None:
        """Trains both networks."""
        channels = images.shape[1]
        self.network_ = UNet(channels, self.size, width=self.width)
        # The latent f, and what judges by it.
        self.latent_ = Discriminator(channels, self.size, width=self.width, outputs=LATENT_DIM)
        self.judge_ = nn.Linear(LATENT_DIM, 1)
        self.adversarial_losses_ = self.train_adversarial(
            self.network_,
            nn.ModuleList([self.latent_, self.judge_]),
            images,
            (self._generator_loss, self._discriminator_loss),
        )
        self.losses_ = [generator for generator, _ in self.adversarial_losses_]

    def score(self, images: Tensor) -> Scores:
        """Nine parts of the difference of images, one of the difference of latents."""
        shown = signed(images)
        restored = signed(self.reconstruct(images))
        maps = smooth((shown - restored).abs().sum(dim=1), 1.0)
        return Scores(skip_ganomaly_score(shown, restored, self.latent_(shown), self.latent_(restored)), maps)

    def reconstruct(self, images: Tensor) -> Tensor:
        """x_hat, `(N, C, S, S)` in [0, 1]."""
        self.check_fitted()
        reconstruction: Tensor = self.network_(signed(images))
        return reconstruction

    def _restored(self, shown: Tensor) -> Tensor:
        return signed(self.network_(shown))

    def _generator_loss(self, images: Tensor) -> Tensor:
        shown = signed(images)
        restored = self._restored(noisy(shown, self.noise))
        latent = self.latent_(restored)
        return (
            WEIGHT_ADVERSARIAL * adversarial_loss(self.judge_(latent), real=True)
            + WEIGHT_CONTEXT * functional.l1_loss(restored, shown)
            + WEIGHT_LATENT * latent_loss(latent, self.latent_(shown))
        )

    def _discriminator_loss(self, images: Tensor) -> Tensor:
        shown = signed(images)
        with torch.no_grad():
            restored = self._restored(noisy(shown, self.noise))
        real, fake = self.latent_(shown), self.latent_(restored)
        return (
            adversarial_loss(self.judge_(real), real=True)
            + adversarial_loss(self.judge_(fake), real=False)
            + WEIGHT_LATENT * latent_loss(fake, real)
        )


def latent_loss(restored: Tensor, original: Tensor) -> Tensor:
    """The mean squared difference of latents `(N, LATENT_DIM)`, a scalar."""
    return functional.mse_loss(restored, original)


def skip_ganomaly_score(images: Tensor, restored: Tensor, latent: Tensor, restored_latent: Tensor) -> Tensor:
    """0.9 R + 0.1 L: mean absolute difference of the images, mean squared difference of their latents.

    Args:
        images: x, `(N, C, S, S)`.
        restored: x_hat, the same.
        latent: f(x), `(N, ...)`.
        restored_latent: f(x_hat), the same.

    Returns:
        `(N,)`.
    """
    context = (images - restored).abs().flatten(1).mean(dim=1)
    difference = (latent - restored_latent).square().flatten(1).mean(dim=1)
    return SHARE_OF_IMAGES * context + (1 - SHARE_OF_IMAGES) * difference
