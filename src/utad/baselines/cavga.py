"""CAVGA-u (Venkataramanan et al., "Attention Guided Anomaly Localization in Images", ECCV 2020).

A variational auto-encoder whose latent is a map, mu and log sigma^2 at every position of the encoder's last features,
learns the normal images against a discriminator. The attention A is the Grad-CAM of mu on these features F:
alpha_k = the mean over positions of d(sum mu) / dF_k, A = sigmoid(ReLU(sum_k alpha_k F_k)). The attention expansion
loss, the mean of 1 - A, has it cover all of a normal image; its gradient passes through alpha, which is a gradient
itself. Encoder and decoder minimise

    L_R + KL + w_adv L_adv + 0.01 L_ae,

the discriminator -log D(x) - log(1 - D(x_hat)). The image's score is the mean of |x - x_hat|, the map that of 1 - A:
attention is trained to be high where an image is normal, so what it leaves out is anomalous.

A sigmoid after ReLU is 0.5 at the least: 1 - A is at most 0.5, and has this one value wherever ReLU cuts off. The map
here is therefore minus what ReLU is given. It puts positions in the same order as 1 - A, and those in order that
1 - A leaves equal. mu is a convolution of 1 x 1 on F, so alpha_k is a sum of its weights, the same for all images.
The form of A is that of summaries of the paper; a re-implementation divides by the maximum instead of the sigmoid.

The weight 0.01 is the source's, and so is 1 for L_R + KL: the bound on -log p(x) for a decoder with a standard
deviation gamma that is fitted, as for the other variational auto-encoders here, divided by the number of values in an
image: a sum over them would outweigh the attention loss. L_adv of encoder and decoder is -log D(x_hat), the
opposite of the discriminator's second term that does not saturate. With the source's w_adv, which is 1, so short a
training from scratch leaves normal images worse restored than by their mean; the weight here was chosen by how well
normal training images are restored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from utad.baselines.baseline import Scores
from utad.baselines.blocks import Discriminator, Generator, adversarial_loss, elbo_bound, sampled
from utad.baselines.departures import NOT_STATED, Departures
from utad.baselines.fitting import AdversarialBaseline
from utad.scoring.perceptual import upsample

DCGAN_SIZE = 64
"""Side of DCGAN's images; its convolutions halve them four times."""


class Code(NamedTuple):
    """What the encoder says of N images of side S.

    Attributes:
        features: F, `(N, K, S / 16, S / 16)`.
        mu: `(N, D, S / 16, S / 16)`.
        log_var: log sigma^2, the same.
    """

    features: Tensor
    mu: Tensor
    log_var: Tensor


class SpatialVAE(nn.Module):
    """DCGAN's discriminator as encoder and its generator as decoder, for a latent that is a map.

    Args:
        channels: of the images.
        latent_dim: D, channels of the latent.
        width: channels of the first layer; 64 in DCGAN.
    """

    def __init__(self, channels: int, latent_dim: int, *, width: int) -> None:
        super().__init__()
        self.features = Discriminator(channels, DCGAN_SIZE, width=width).features
        self.to_mu = nn.Conv2d(8 * width, latent_dim, 1)
        self.to_log_var = nn.Conv2d(8 * width, latent_dim, 1)
        # The first layer, norm and ReLU of DCGAN's generator make a map of a vector: the latent is a map already.
        doubling = Generator(channels, DCGAN_SIZE, latent_dim, width=width).layers[3:]
        first = nn.ConvTranspose2d(latent_dim, 8 * width, 3, padding=1, bias=False)
        self.decoder = nn.Sequential(first, nn.BatchNorm2d(8 * width), nn.ReLU(), *doubling)

    def encode(self, images: Tensor) -> Code:
        """Images `(N, C, S, S)`, S a multiple of 16."""
        features = self.features(images)
        return Code(features, self.to_mu(features), self.to_log_var(features).clamp(-10.0, 10.0))

    def forward(self, images: Tensor) -> Tensor:
        """The reconstruction from mu, without sampling, `(N, C, S, S)` in [0, 1]."""
        restored: Tensor = self.decoder(self.encode(images).mu)
        return restored


@dataclass(kw_only=True, eq=False)
class CAVGAu(AdversarialBaseline):
    """A variational auto-encoder whose attention is trained to cover normal images.

    Args:
        latent_dim: channels of the latent.
        width: channels of the first layer of encoder and discriminator; 64 in DCGAN.
        adversarial_weight: w_adv; 1 in the source.
        attention_weight: w_ae.
    """

    name = "cavga-u"
    departs: ClassVar[Departures] = Departures(
        source="Venkataramanan et al., ECCV 2020",
        changes=(
            "DCGAN's networks, as in the source's CAVGA-D, of {width} instead of 64 channels, trained from scratch "
            "instead of on CelebA",
            "L_R is the squared error with a fitted gamma, and L_R + KL a mean over values",
            "encoder and decoder have an adversarial loss that does not saturate, with the weight "
            "{adversarial_weight:g} instead of 1",
            "the map is minus the attention before ReLU and sigmoid instead of 1 - A",
            "the image's score is the mean of |x - x_hat|, not normalised",
        ),
        source_steps=NOT_STATED,
    )

    latent_dim: int = 100
    width: int = 32
    adversarial_weight: float = 0.01
    attention_weight: float = 0.01
    steps: int = 600

    def learn(self, images: Tensor) -> None:
        """Trains the auto-encoder against the discriminator."""
        channels = images.shape[1]
        self.network_ = SpatialVAE(channels, self.latent_dim, width=self.width)
        self.discriminator_ = Discriminator(channels, self.size, width=self.width)
        self.adversarial_losses_ = self.train_adversarial(
            self.network_, self.discriminator_, images, (self._network_loss, self._discriminator_loss)
        )
        self.losses_ = [loss for loss, _ in self.adversarial_losses_]

    def score(self, images: Tensor) -> Scores:
        """The mean absolute residual, and what attention leaves out."""
        self.check_fitted()
        with torch.enable_grad():
            features = self.network_.features(images).detach().requires_grad_()
            raw = grad_cam(features, self.network_.to_mu(features)).detach()
        residual = (images - self.network_(images)).abs().flatten(1).mean(dim=1)
        return Scores(residual, upsample(-raw, self.size))

    def _network_loss(self, images: Tensor) -> Tensor:
        code = self.network_.encode(images)
        restored = self.network_.decoder(sampled(code.mu, code.log_var))
        return (
            elbo_bound(images, restored, code.mu, code.log_var) / images[0].numel()
            + self.adversarial_weight * adversarial_loss(self.discriminator_(restored), real=True)
            + self.attention_weight * attention_expansion_loss(attention(grad_cam(code.features, code.mu)))
        )

    def _discriminator_loss(self, images: Tensor) -> Tensor:
        with torch.no_grad():
            code = self.network_.encode(images)
            restored = self.network_.decoder(sampled(code.mu, code.log_var))
        real, fake = self.discriminator_(images), self.discriminator_(restored)
        return adversarial_loss(real, real=True) + adversarial_loss(fake, real=False)


def grad_cam(features: Tensor, mu: Tensor) -> Tensor:
    """sum_k alpha_k F_k, alpha_k being the mean over positions of d(sum mu) / dF_k; before ReLU.

    Args:
        features: F, `(N, K, h, w)`, with a gradient.
        mu: computed from F, each image's from its own, `(N, D, h, w)`.

    Returns:
        `(N, h, w)`, which can be differentiated with respect to the weights between F and mu, and to F.
    """
    (gradient,) = torch.autograd.grad(mu.sum(), features, create_graph=True)
    alpha = gradient.mean(dim=(2, 3), keepdim=True)  # (N, K, 1, 1)
    return (alpha * features).sum(dim=1)


def attention(raw: Tensor) -> Tensor:
    """A = sigmoid(ReLU(g)) of a Grad-CAM g of any shape, in [0.5, 1]."""
    return torch.sigmoid(torch.relu(raw))


def attention_expansion_loss(covered: Tensor) -> Tensor:
    """L_ae: the mean of 1 - A over positions and images, a scalar, of A in [0, 1] of any shape."""
    return (1 - covered).mean()
