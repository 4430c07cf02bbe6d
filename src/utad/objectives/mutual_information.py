"""The Jensen-Shannon bound on the mutual information of Eq. 1, and the prior of Eq. 2.

The page of the paper with Eq. 4 is not in the source. What stands in for it is the estimator the text names
(f-GAN, Nowozin et al., 2016) in the form of Deep InfoMax (Hjelm et al., 2019); see docs/adr/0001.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def jensen_shannon_loss(matched_logits: Tensor, mismatched_logits: Tensor) -> Tensor:
    """Negative Jensen-Shannon bound of I(D, Z), to be minimised by encoder and critic together (Eq. 4).

    -E[log sigma(T(x, z))] - E[log(1 - sigma(T(x', z)))], in logits: softplus(-T) and softplus(T).
    It is 2 log 2 for a critic that knows nothing, and 0 for one that tells every pair.

    Args:
        matched_logits: T of latents with their own feature maps, any shape.
        mismatched_logits: T of latents with the feature maps of other images, any shape.

    Returns:
        A scalar, at least 0.
    """
    return functional.softplus(-matched_logits).mean() + functional.softplus(mismatched_logits).mean()


def mismatch(feature_map: Tensor) -> Tensor:
    """The feature map of another image for each image of the batch, `(N, ...)`: a roll by one.

    A random permutation could leave an image with its own map, a matched pair labelled as mismatched.

    Raises:
        ValueError: for a batch of one, in which there is no other image.
    """
    if len(feature_map) < 2:
        raise ValueError("mismatched pairs need a batch of at least 2 images")
    return feature_map.roll(1, dims=0)


def sample_latent(mu: Tensor, log_var: Tensor, noise: Tensor) -> Tensor:
    """Z = mu + sigma * noise, the reparameterisation of Kingma and Welling (2013); all `(N, latent_dim)`."""
    return mu + torch.exp(0.5 * log_var) * noise


def prior_divergence(mu: Tensor, log_var: Tensor) -> Tensor:
    """KL(p(z | x) || N(0, 1)) of Eq. 2, summed over the latent and averaged over the batch.

    Args:
        mu: `(N, latent_dim)`.
        log_var: `(N, latent_dim)`.

    Returns:
        A scalar in nats, at least 0.
    """
    return 0.5 * (mu.square() + log_var.exp() - 1.0 - log_var).sum(dim=1).mean()
