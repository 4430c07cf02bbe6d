from __future__ import annotations

import math

import pytest
import torch

from tests.baselines import easy
from utad.baselines.ad_vae import ADVAE, attention
from utad.baselines.blocks import ConvVAE, negative_elbo
from utad.baselines.gamma_vae import GammaVAE, project


def test_ad_vae_learns_and_finds_the_square():
    method = ADVAE(size=easy.SIZE, width=8, latent_dim=16, steps=400, batch_size=8)
    assert easy.image_auroc(method) > 0.9
    assert method.losses_[-1] < method.losses_[0] - 1000


def test_gamma_vae_learns_and_finds_the_square():
    method = GammaVAE(size=easy.SIZE, width=8, latent_dim=8, steps=400, batch_size=8, learning_rate=1e-3, iterations=10)
    assert easy.image_auroc(method) > 0.9
    assert method.losses_[-1] < method.losses_[0] - 1000


def test_attention_by_hand():
    # Two channels of 1 x 2 positions, one number. The gradient's means are 2 and -1.
    activations = torch.tensor([[[1.0, 3.0]], [[4.0, 1.0]]])[None]
    gradients = torch.tensor([[[1.0, 3.0]], [[-1.0, -1.0]]])[None, None]
    weights = torch.full((1, 1, 1, 1), 2.0)
    # 2 * relu(2 * 1 - 4) = 0 and 2 * relu(2 * 3 - 1) = 10.
    assert attention(activations, gradients, weights).tolist() == [[[0.0, 10.0]]]


def test_the_elbo_by_hand():
    network = ConvVAE(1, 32, 2, width=2)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        network.encoder.to_code.bias.copy_(torch.tensor([1.0, 0.0, 0.0, 0.0]))
    images = torch.full((3, 1, 32, 32), 0.75)
    # All weights zero: the decoder says sigmoid(0) = 0.5 everywhere; mu = (1, 0), sigma = 1.
    # gamma is the error, 0.25, so that the first term is 1/2 a pixel; the last is mu^2 / 2.
    expected = 1024 * 0.5 + 1024 * math.log(0.25) + 0.5
    assert negative_elbo(network, images).item() == pytest.approx(expected, rel=1e-5)


class _Constant(torch.nn.Module):
    """Restores every image as a grey one."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.full_like(images, 0.5)


def test_the_projection_by_hand():
    images = torch.tensor([[[[0.5, 0.9]]]])
    moved = project(images, _Constant(), iterations=1, alpha=0.25, sparsity=0.05)
    # The first pixel is restored and stays; of the second the weight is 1 and the gradient 2 * 0.4 (|.| has none at 0).
    torch.testing.assert_close(moved, torch.tensor([[[[0.5, 0.9 - 0.25 * 0.8]]]]))


def test_the_projection_ends_where_both_terms_balance():
    images = torch.tensor([[[[0.5, 0.9]]]])
    moved = project(images, _Constant(), iterations=200, alpha=0.1, sparsity=0.2)
    # 2 (x - 0.5) = 0.2 at x = 0.6.
    torch.testing.assert_close(moved, torch.tensor([[[[0.5, 0.6]]]]), atol=1e-3, rtol=0)
