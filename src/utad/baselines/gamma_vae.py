"""gamma-VAE with iterative projection (Dehaene et al., "Iterative Energy-based Projection", ICLR 2020).

A variational auto-encoder whose decoder has a standard deviation gamma of its own, fitted to the images. A test image
is moved, step by step, down the energy E(x_t) = reconstruction error of x_t + lambda |x_t - x_0|_1, the steps
weighted by the squared residual of x_0, so that only what the auto-encoder cannot restore changes. The map is
|x_0 - x_T|; the image's score is the highest value of its map, smoothed.

alpha 0.5 and lambda 0.05 as in the source.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from utad.baselines.baseline import Scores
from utad.baselines.blocks import ConvVAE, negative_elbo
from utad.baselines.departures import NOT_STATED, Departures
from utad.baselines.features import smooth
from utad.baselines.fitting import TrainedBaseline


@dataclass(kw_only=True, eq=False)
class GammaVAE(TrainedBaseline):
    """Projection on what a variational auto-encoder can restore.

    Args:
        latent_dim: size of the code.
        width: channels of the first layer.
        iterations: of the projection.
        alpha: length of its steps.
        sparsity: lambda.
    """

    name = "gamma-vae"
    departs: ClassVar[Departures] = Departures(
        source="Dehaene et al., ICLR 2020",
        changes=(
            "the auto-encoder of Bergmann et al.",
            "{iterations} iterations of the projection instead of 100 and more",
            "the weights of a step are divided by the largest of the image, so that fewer go far enough",
            "the weights are those of the first residual in all steps, where released code computes them anew",
        ),
        source_steps=NOT_STATED,
    )

    latent_dim: int = 100
    width: int = 32
    iterations: int = 50
    alpha: float = 0.5
    sparsity: float = 0.05

    def learn(self, images: Tensor) -> None:
        """Trains the auto-encoder."""
        self.network_ = ConvVAE(images.shape[1], self.size, self.latent_dim, width=self.width)
        self.losses_ = self.train([self.network_], images, lambda batch: negative_elbo(self.network_, batch))

    def score(self, images: Tensor) -> Scores:
        """How far the projection moved every pixel."""
        maps = (images - self.project(images)).abs().sum(dim=1)
        return Scores(smooth(maps, 1.0).flatten(1).amax(dim=1), maps)

    def project(self, images: Tensor) -> Tensor:
        """x_T, `(N, C, S, S)`."""
        self.check_fitted()
        return project(images, self.network_, iterations=self.iterations, alpha=self.alpha, sparsity=self.sparsity)


def project(images: Tensor, restore: nn.Module, *, iterations: int, alpha: float, sparsity: float) -> Tensor:
    """Moves images down the energy; see the head of this file.

    Args:
        images: x_0, `(N, C, S, S)` in [0, 1].
        restore: from images to their reconstructions.
        iterations: T.
        alpha: length of a step.
        sparsity: lambda, weight of the distance to x_0.

    Returns:
        x_T, `(N, C, S, S)` in [0, 1].
    """
    with torch.no_grad():
        weight = (images - restore(images)).square()
        weight = weight / weight.amax(dim=(1, 2, 3), keepdim=True).clamp_min(1e-12)
    moved = images.clone()
    for _ in range(iterations):
        with torch.enable_grad():
            moved.requires_grad_()
            energy = (moved - restore(moved)).square().sum() + sparsity * (moved - images).abs().sum()
            (gradient,) = torch.autograd.grad(energy, moved)
        with torch.no_grad():
            moved = (moved - alpha * weight * gradient).clamp(0.0, 1.0)
    return moved.detach()
