"""AnoGAN (Schlegl et al., "Unsupervised Anomaly Detection with Generative Adversarial Networks", IPMI 2017).

A DCGAN learns the normal images. For a test image the latent z whose G(z) resembles it most is looked for, by
gradient descent on (1 - lambda) R + lambda D: R the mean absolute difference, D that of the discriminator's features.
The map is |x - G(z)|; the image's score is the loss that is left.

lambda 0.1 and DCGAN's settings of Adam are the source's. The search is for all images of a batch at once, at a learning
rate of 0.05. f_anogan.py is the later method with an encoder instead of the search.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from utad.baselines.baseline import Scores
from utad.baselines.blocks import Discriminator, Generator, adversarial_loss
from utad.baselines.departures import Departures
from utad.baselines.features import smooth
from utad.baselines.fitting import AdversarialBaseline


@dataclass(kw_only=True, eq=False)
class AnoGAN(AdversarialBaseline):
    """The nearest image that a generator of normal images can make.

    Args:
        latent_dim: of z.
        width: channels of the widest image in both networks; 64 in DCGAN.
        iterations: of the search.
        weight: lambda.
    """

    name = "anogan"
    needs_power_of_two = True
    departs: ClassVar[Departures] = Departures(
        source="Schlegl et al., IPMI 2017",
        changes=(
            "a search of {iterations} instead of 500 iterations",
            "{width} instead of 64 channels",
            "the map is smoothed by a Gaussian of sigma 1",
        ),
        source_steps="20 epochs of 1000000 patches",
    )

    latent_dim: int = 100
    width: int = 32
    batch_size: int = 32
    iterations: int = 100
    weight: float = 0.1

    def learn(self, images: Tensor) -> None:
        """Trains generator and discriminator."""
        channels = images.shape[1]
        self.generator_ = Generator(channels, self.size, self.latent_dim, width=self.width)
        self.discriminator_ = Discriminator(channels, self.size, width=self.width)
        self.adversarial_losses_ = self.train_adversarial(
            self.generator_, self.discriminator_, images, (self._generator_loss, self._discriminator_loss)
        )

    def score(self, images: Tensor) -> Scores:
        """What the nearest generated image lacks."""
        self.check_fitted()
        nearest = self.generator_(self.search(images))
        maps = (images - nearest).abs().sum(dim=1)
        loss = anogan_loss(
            images, nearest, self.discriminator_.features(images), self.discriminator_.features(nearest), self.weight
        )
        return Scores(loss, smooth(maps, 1.0))

    def search(self, images: Tensor) -> Tensor:
        """The latents whose images resemble these most, `(N, latent_dim)`; every search starts at the same one."""
        generator = torch.Generator().manual_seed(self.seed)  # of the CPU: the same start on every device
        start = torch.randn(self.latent_dim, generator=generator, device="cpu").to(images.device)
        with torch.enable_grad():
            latent = start.repeat(len(images), 1).requires_grad_()
            optimizer = torch.optim.Adam([latent], lr=0.05)
            features = self.discriminator_.features(images).detach()
            for _ in range(self.iterations):
                nearest = self.generator_(latent)
                loss = anogan_loss(images, nearest, features, self.discriminator_.features(nearest), self.weight)
                optimizer.zero_grad(set_to_none=True)
                torch.autograd.backward(loss.sum())
                optimizer.step()
        return latent.detach()

    def _generator_loss(self, images: Tensor) -> Tensor:
        return adversarial_loss(self.discriminator_(self._generated(len(images))), real=True)

    def _discriminator_loss(self, images: Tensor) -> Tensor:
        real, fake = self.discriminator_(images), self.discriminator_(self._generated(len(images)).detach())
        return adversarial_loss(real, real=True) + adversarial_loss(fake, real=False)

    def _generated(self, count: int) -> Tensor:
        images: Tensor = self.generator_(torch.randn(count, self.latent_dim))
        return images


def anogan_loss(images: Tensor, nearest: Tensor, features: Tensor, nearest_features: Tensor, weight: float) -> Tensor:
    """(1 - lambda) R + lambda D of every image, each a mean of absolute differences.

    Args:
        images: x, `(N, C, S, S)`.
        nearest: G(z), the same.
        features: of the discriminator for x, `(N, ...)`.
        nearest_features: the same for G(z).
        weight: lambda, in [0, 1].

    Returns:
        `(N,)`.
    """
    residual = (images - nearest).abs().flatten(1).mean(dim=1)
    discrimination = (features - nearest_features).abs().flatten(1).mean(dim=1)
    return (1 - weight) * residual + weight * discrimination
