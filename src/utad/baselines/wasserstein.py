"""The losses of a WGAN-GP (Gulrajani et al., "Improved Training of Wasserstein GANs", NeurIPS 2017)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

PENALTY = 10.0
"""Lambda, of the gradient penalty."""


def critic_loss(critic: Callable[[Tensor], Tensor], real: Tensor, generated: Tensor) -> Tensor:
    """Mean D(G(z)) - mean D(x) + lambda times the gradient penalty; a scalar.

    Args:
        critic: D, from images to one number each, unbounded: it has no sigmoid.
        real: x, `(N, C, S, S)`.
        generated: G(z), the same, without a gradient to the generator.
    """
    shares = torch.rand(len(real), 1, 1, 1, dtype=real.dtype, device=real.device)
    penalty = gradient_penalty(critic, real, generated, shares)
    return critic(generated).mean() - critic(real).mean() + PENALTY * penalty


def generator_loss(critic: Callable[[Tensor], Tensor], generated: Tensor) -> Tensor:
    """-mean D(G(z)), a scalar, of generated images `(N, C, S, S)`."""
    return -critic(generated).mean()


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, generated: Tensor, shares: Tensor) -> Tensor:
    """The mean of (|gradient of D| - 1)^2 on the straight lines between real and generated images.

    The norm is of each image's own gradient, so the critic must not mix the images of a batch: no batch norm.

    Args:
        critic: D, from images to one number each.
        real: x, `(N, C, S, S)`.
        generated: G(z), the same.
        shares: how far along each line, `(N, 1, 1, 1)` in [0, 1].

    Returns:
        A scalar that can be differentiated with respect to the critic's weights.
    """
    between = (real + shares * (generated - real)).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    lengths: Tensor = gradient.flatten(1).norm(dim=1)
    return (lengths - 1).square().mean()
