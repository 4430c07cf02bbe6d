"""AD-VAE (Liu et al., "Towards Visually Explaining Variational Autoencoders", CVPR 2020).

A variational auto-encoder learns the normal images. The gradient of each number of the code with respect to the
activations of a convolution of the encoder gives a Grad-CAM of that number; the map is the mean over all of them,
each after ReLU. The gradient is that of the normal difference distribution: the distance of the number's mean from the
one of normal images, in standard deviations of their difference, sqrt(sigma^2 + sigma_normal^2), which also weights
the map. The image's score is the highest value of the map.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from utad.baselines.baseline import Scores, in_batches
from utad.baselines.blocks import ConvVAE, negative_elbo
from utad.baselines.departures import NOT_STATED, Departures
from utad.baselines.fitting import TrainedBaseline
from utad.scoring.perceptual import upsample


@dataclass(kw_only=True, eq=False)
class ADVAE(TrainedBaseline):
    """Attention of a variational auto-encoder.

    Args:
        latent_dim: size of the code; 32 in the source.
        width: channels of the first layer.
    """

    name = "ad-vae"
    departs: ClassVar[Departures] = Departures(
        source="Liu et al., CVPR 2020",
        changes=(
            "the encoder of Bergmann et al. instead of ResNet-18",
            "attention at a quarter of the image's side",
            "the map of each number of the code is weighted by that number's distance from normal images",
            "the decoder's gamma is fitted",
        ),
        source_steps=NOT_STATED,
    )

    latent_dim: int = 32
    width: int = 32
    learning_rate: float = 1e-3

    def learn(self, images: Tensor) -> None:
        """Trains the auto-encoder, then takes the distribution of normal codes."""
        self.network_ = ConvVAE(images.shape[1], self.size, self.latent_dim, width=self.width)
        self.losses_ = self.train([self.network_], images, lambda batch: negative_elbo(self.network_, batch))
        mu, log_var = in_batches(self.network_.encode, images)
        self.mean_ = mu.mean(dim=0)
        # Of the mixture of all normal images' distributions.
        self.variance_ = log_var.exp().mean(dim=0) + mu.var(dim=0, correction=0)

    def score(self, images: Tensor) -> Scores:
        """The attention map."""
        self.check_fitted()
        network = self.network_
        with torch.enable_grad():
            activations = network.encoder.features[:-_LAYERS_AFTER](images).detach().requires_grad_()
            mu, log_var = network.split(network.encoder.to_code(network.encoder.features[-_LAYERS_AFTER:](activations)))
            distances = (mu - self.mean_).abs() / (log_var.detach().exp() + self.variance_).sqrt()
            gradients = [
                torch.autograd.grad(distances[:, index].sum(), activations, retain_graph=True)[0]
                for index in range(self.latent_dim)
            ]
        weights = distances.detach().T[:, :, None, None]
        maps = upsample(attention(activations.detach(), torch.stack(gradients), weights), self.size)
        return Scores(maps.flatten(1).amax(dim=1), maps)


_LAYERS_AFTER = 10
"""Layers of the encoder behind the activations looked at: five convolutions with their LeakyReLU."""


def attention(activations: Tensor, gradients: Tensor, weights: Tensor) -> Tensor:
    """The mean over D numbers of ReLU(sum_k alpha_k A_k), alpha_k being the mean of the gradient over positions.

    Args:
        activations: A, `(N, K, g, g)`.
        gradients: of each number with respect to A, `(D, N, K, g, g)`.
        weights: of each number's map, `(D, N, 1, 1)`.

    Returns:
        `(N, g, g)`, not negative.
    """
    alpha = gradients.mean(dim=(3, 4), keepdim=True)
    return (weights * torch.relu((alpha * activations).sum(dim=2))).mean(dim=0)
