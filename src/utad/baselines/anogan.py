"""AnoGAN (Schlegl et al., IPMI 2017), with the encoder of f-AnoGAN (Schlegl et al., Medical Image Analysis 2019).

A DCGAN learns the normal images. For a test image the latent z whose G(z) resembles it most is looked for, by
gradient descent on (1 - lambda) R + lambda D: R the mean absolute difference, D that of the discriminator's features.
With `encoder` a third network, trained on R^2 + kappa D^2 of normal images, gives z at once ("izi_f"). The map is
|x - G(z)|; the image's score is the loss that is left.

lambda 0.1, kappa 1 and Adam's settings are the sources'. 100 instead of 500 iterations of the search, of all images of
a batch at once, at a learning rate of 0.05; 1500 steps of 32 images; no gradient penalty (f-AnoGAN trains a WGAN-GP).
"""

from __future__ import annotations

from typing import Unpack

import torch
from torch import Tensor
from torch.nn import functional

from utad.baselines.baseline import Baseline, Scores, Shared
from utad.baselines.blocks import Discriminator, Generator
from utad.baselines.features import smooth
from utad.baselines.fitting import fit_adversarial, fit_steps
from utad.errors import NotFittedError


class AnoGAN(Baseline):
    """The nearest image that a generator of normal images can make.

    Args:
        encoder: whether an encoder gives z instead of a search.
        latent_dim: of z.
        width: channels of the widest image in both networks; 64 in DCGAN.
        steps: of training the generator, and again of the encoder.
        batch_size: images a step.
        iterations: of the search.
        weight: lambda; with the encoder kappa is 1.
        shared: as for every baseline.
    """

    name = "anogan"

    def __init__(
        self,
        *,
        encoder: bool = False,
        latent_dim: int = 100,
        width: int = 32,
        steps: int = 1500,
        batch_size: int = 32,
        iterations: int = 100,
        weight: float = 0.1,
        **shared: Unpack[Shared],
    ) -> None:
        super().__init__(**shared)
        self.encoder = encoder
        self.latent_dim = latent_dim
        self.width = width
        self.steps = steps
        self.batch_size = batch_size
        self.iterations = iterations
        self.weight = weight

    def learn(self, images: Tensor) -> None:
        """Trains generator and discriminator, then the encoder if there is one."""
        channels = images.shape[1]
        self.generator_ = Generator(channels, self.size, self.latent_dim, width=self.width)
        self.discriminator_ = Discriminator(channels, self.size, width=self.width)
        self.adversarial_losses_ = fit_adversarial(
            self.generator_.parameters(),
            self.discriminator_.parameters(),
            images,
            (self._generator_loss, self._discriminator_loss),
            name=self.name,
            steps=self.steps,
            batch_size=self.batch_size,
        )
        self.generator_.eval().requires_grad_(requires_grad=False)
        self.discriminator_.eval().requires_grad_(requires_grad=False)
        self.encoder_: Discriminator | None = None
        if self.encoder:
            network = Discriminator(channels, self.size, width=self.width, outputs=self.latent_dim)
            self.losses_ = fit_steps(
                network.parameters(),
                images,
                lambda batch: self._encoder_loss(network, batch),
                name=self.name,
                steps=self.steps,
                batch_size=self.batch_size,
                learning_rate=2e-4,
                betas=(0.5, 0.999),
            )
            self.encoder_ = network.eval().requires_grad_(requires_grad=False)

    def score(self, images: Tensor) -> Scores:
        """What the nearest generated image lacks."""
        if not hasattr(self, "encoder_"):
            raise NotFittedError(f"{self.name} is used before it was fitted")
        latent = self.search(images) if self.encoder_ is None else self.encoder_(images)
        nearest = self.generator_(latent)
        maps = (images - nearest).abs().sum(dim=1)
        loss = anogan_loss(
            images, nearest, self.discriminator_.features(images), self.discriminator_.features(nearest), self.weight
        )
        return Scores(loss, smooth(maps, 1.0))

    def search(self, images: Tensor) -> Tensor:
        """The latents whose images resemble these most, `(N, latent_dim)`; every search starts at the same place."""
        start = torch.randn(self.latent_dim, generator=torch.Generator().manual_seed(self.seed))
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
        logits = self.discriminator_(self._generated(len(images)))
        return functional.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))

    def _discriminator_loss(self, images: Tensor) -> Tensor:
        real = self.discriminator_(images)
        fake = self.discriminator_(self._generated(len(images)).detach())
        return functional.binary_cross_entropy_with_logits(
            real, torch.ones_like(real)
        ) + functional.binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))

    def _encoder_loss(self, encoder: Discriminator, images: Tensor) -> Tensor:
        restored = self.generator_(encoder(images))
        features = self.discriminator_.features
        return functional.mse_loss(restored, images) + functional.mse_loss(features(restored), features(images))

    def _generated(self, count: int) -> Tensor:
        images: Tensor = self.generator_(torch.randn(count, self.latent_dim))
        return images


class FAnoGAN(AnoGAN):
    """AnoGAN with an encoder instead of the search."""

    name = "f-anogan"

    def __init__(self, **settings: Unpack[Shared]) -> None:
        super().__init__(encoder=True, **settings)


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
