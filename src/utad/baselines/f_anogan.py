"""f-AnoGAN (Schlegl et al., "f-AnoGAN: Fast unsupervised anomaly detection", Medical Image Analysis 2019).

A WGAN-GP learns the normal images: its critic, which has no sigmoid, sees five batches for one of the generator. Then
an encoder learns, with both frozen, to find the latent of an image ("izi_f"): it minimises R + kappa D, where R is the
mean squared difference of the image and G(E(x)) and D that of the critic's features of the two. The image's score is
the same sum; the map is |x - G(E(x))|.

kappa 1, the gradient penalty of 10, five critic batches, the latent of 128 numbers and layer norm in the critic are
the source's, and so are the images in [-1, 1] that the networks see. Adam has the betas (0, 0.9) for all three
networks; for the encoder that is the source's RMSProp with a correction of its start. A step of the generator costs as
much as five of a DCGAN: the steps are chosen so that the whole training takes as long as 1500 of those and of an
encoder would. In so few the source's learning rate leaves normal images worse restored than by their mean; the rate
here was chosen by how well normal training images are restored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from utad.baselines.baseline import Scores
from utad.baselines.blocks import Discriminator, Generator, signed
from utad.baselines.departures import Departures
from utad.baselines.features import smooth
from utad.baselines.fitting import AdversarialBaseline
from utad.baselines.wasserstein import critic_loss, generator_loss
from utad.models.expert_paper import ImageLayerNorm

KAPPA = 1.0
CRITIC_STEPS = 5


@dataclass(kw_only=True, eq=False)
class FAnoGAN(AdversarialBaseline):
    """The image that a generator of normal images makes of an image's code.

    Args:
        latent_dim: of z.
        width: channels of the widest image in all networks; 64 in the source.
        steps: of the generator; the critic is trained on five batches in each.
        encoder_steps: of the encoder.
    """

    name = "f-anogan"
    needs_power_of_two = True
    betas = (0.0, 0.9)
    departs: ClassVar[Departures] = Departures(
        source="Schlegl et al., Medical Image Analysis 2019",
        changes=(
            "DCGAN's convolutions instead of residual blocks",
            "{width} instead of 64 channels",
            "learning rate {learning_rate:g} instead of 1e-4 for the WGAN-GP and 5e-5 for the encoder",
            "the map is smoothed by a Gaussian of sigma 1",
        ),
        source_steps="7 epochs of the WGAN-GP and 50000 steps of the encoder, of 64 images (released code)",
    )

    latent_dim: int = 128
    width: int = 32
    batch_size: int = 32
    learning_rate: float = 1e-3
    steps: int = 400
    encoder_steps: int = 600

    def training_steps(self) -> str:
        """Of all three networks."""
        return (
            f"{self.steps} of the generator, {CRITIC_STEPS * self.steps} of the critic and {self.encoder_steps} of the "
            f"encoder, of {self.batch_size} images"
        )

    def learn(self, images: Tensor) -> None:
        """Trains generator and critic, then the encoder."""
        channels = images.shape[1]
        self.generator_ = Generator(channels, self.size, self.latent_dim, width=self.width)
        self.critic_ = Discriminator(channels, self.size, width=self.width, norm=ImageLayerNorm)
        self.adversarial_losses_ = self.train_adversarial(
            self.generator_,
            self.critic_,
            images,
            (
                lambda batch: generator_loss(self.critic_, self._generated(len(batch))),
                lambda batch: critic_loss(self.critic_, signed(batch), self._generated(len(batch)).detach()),
            ),
            discriminator_steps=CRITIC_STEPS,
        )
        self.encoder_ = Discriminator(channels, self.size, width=self.width, outputs=self.latent_dim)
        self.losses_ = self.train(
            [self.encoder_], images, lambda batch: self._residual(batch)[0].mean(), steps=self.encoder_steps
        )

    def score(self, images: Tensor) -> Scores:
        """What the generated image lacks."""
        self.check_fitted()
        scores, restored = self._residual(images)
        return Scores(scores, smooth((images - (restored + 1) / 2).abs().sum(dim=1), 1.0))

    def _residual(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """R + kappa D, `(N,)`, and the images that the codes give, `(N, C, S, S)` in [-1, 1]."""
        shown = signed(images)
        restored = signed(self.generator_(self.encoder_(shown)))
        features = self.critic_.features
        return izif_residual(shown, restored, features(shown), features(restored)), restored

    def _generated(self, count: int) -> Tensor:
        return signed(self.generator_(torch.randn(count, self.latent_dim)))


def izif_residual(images: Tensor, restored: Tensor, features: Tensor, restored_features: Tensor) -> Tensor:
    """R + kappa D of every image, each a mean of squared differences.

    Args:
        images: x, `(N, C, S, S)`.
        restored: G(E(x)), the same.
        features: of the critic for x, `(N, ...)`.
        restored_features: the same for G(E(x)).

    Returns:
        `(N,)`.
    """
    residual = functional.mse_loss(restored, images, reduction="none").flatten(1).mean(dim=1)
    discrimination = functional.mse_loss(restored_features, features, reduction="none").flatten(1).mean(dim=1)
    return residual + KAPPA * discrimination
