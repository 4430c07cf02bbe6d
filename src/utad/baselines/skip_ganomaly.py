"""Skip-GANomaly (Akcay et al., "Skip-GANomaly", IJCNN 2019).

A U-Net restores normal images against a discriminator. Its loss is adversarial + 40 |x - x_hat| + the squared
difference of the discriminator's features of x and x_hat; the image's score is 0.9 times the difference of the images
plus 0.1 times that of the features, and the map the difference of the images.

Weights, Adam's settings and the score are the source's. 1500 steps of 16 images instead of 15 epochs of 12,000 and
more; 32 instead of 64 channels; the difference of images is their mean absolute difference.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from utad.baselines.baseline import Scores
from utad.baselines.blocks import Discriminator, adversarial_loss
from utad.baselines.features import smooth
from utad.baselines.fitting import AdversarialBaseline

WEIGHT_ADVERSARIAL, WEIGHT_CONTEXT, WEIGHT_LATENT = 1.0, 40.0, 1.0
SHARE_OF_IMAGES = 0.9


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
    """

    name = "skip-ganomaly"

    width: int = 32

    def learn(self, images: Tensor) -> None:
        """Trains both networks."""
        self.network_ = UNet(images.shape[1], self.size, width=self.width)
        self.discriminator_ = Discriminator(images.shape[1], self.size, width=self.width)
        self.adversarial_losses_ = self.train_adversarial(
            self.network_, self.discriminator_, images, (self._generator_loss, self._discriminator_loss)
        )
        self.losses_ = [generator for generator, _ in self.adversarial_losses_]

    def score(self, images: Tensor) -> Scores:
        """Nine parts of the difference of images, one of the difference of features."""
        self.check_fitted()
        restored = self.network_(images)
        features, restored_features = self.discriminator_.features(images), self.discriminator_.features(restored)
        maps = smooth((images - restored).abs().sum(dim=1), 1.0)
        return Scores(skip_ganomaly_score(images, restored, features, restored_features), maps)

    def _generator_loss(self, images: Tensor) -> Tensor:
        restored = self.network_(images)
        features = self.discriminator_.features(restored)
        logits = self.discriminator_.head(features).flatten(1)
        return (
            WEIGHT_ADVERSARIAL * adversarial_loss(logits, real=True)
            + WEIGHT_CONTEXT * functional.l1_loss(restored, images)
            + WEIGHT_LATENT * functional.mse_loss(features, self.discriminator_.features(images).detach())
        )

    def _discriminator_loss(self, images: Tensor) -> Tensor:
        with torch.no_grad():
            restored = self.network_(images)
        real, fake = self.discriminator_(images), self.discriminator_(restored)
        return adversarial_loss(real, real=True) + adversarial_loss(fake, real=False)


def skip_ganomaly_score(images: Tensor, restored: Tensor, features: Tensor, restored_features: Tensor) -> Tensor:
    """0.9 R + 0.1 L: mean absolute difference of the images, mean squared difference of their features.

    Args:
        images: x, `(N, C, S, S)`.
        restored: x_hat, the same.
        features: of the discriminator for x, `(N, ...)`.
        restored_features: the same for x_hat.

    Returns:
        `(N,)`.
    """
    context = (images - restored).abs().flatten(1).mean(dim=1)
    latent = (features - restored_features).square().flatten(1).mean(dim=1)
    return SHARE_OF_IMAGES * context + (1 - SHARE_OF_IMAGES) * latent
