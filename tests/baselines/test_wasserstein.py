from __future__ import annotations

import pytest
import torch

from utad.baselines.blocks import Discriminator
from utad.baselines.wasserstein import critic_loss, generator_loss, gradient_penalty
from utad.models.expert_paper import ImageLayerNorm


def linear(images):
    """D(x) = 3 x_1 + 4 x_2 + 1: its gradient is (3, 4) everywhere, of length 5."""
    return 3 * images[:, 0, 0, 0] + 4 * images[:, 0, 0, 1] + 1


REAL = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).reshape(2, 1, 1, 2)
GENERATED = torch.tensor([[2.0, 2.0], [0.0, 0.0]]).reshape(2, 1, 1, 2)


def test_the_gradient_penalty_of_a_linear_critic_by_hand():
    shares = torch.tensor([0.3, 0.9]).reshape(2, 1, 1, 1)
    assert gradient_penalty(linear, REAL, GENERATED, shares).item() == pytest.approx((5 - 1) ** 2)
    assert gradient_penalty(lambda x: linear(x) / 5, REAL, GENERATED, shares).item() == pytest.approx(0, abs=1e-10)


def test_the_gradient_is_taken_between_the_real_and_the_generated_image():
    # D(x) = |x|^2 / 2 has the gradient x: its length is that of the point itself.
    shares = torch.tensor([0.5, 0.25]).reshape(2, 1, 1, 1)
    between = torch.tensor([[1.5, 1.0], [0.0, 0.75]])
    expected = (between.norm(dim=1) - 1).square().mean().item()
    found = gradient_penalty(lambda x: x.square().flatten(1).sum(dim=1) / 2, REAL, GENERATED, shares)
    assert found.item() == pytest.approx(expected)


def test_the_losses_by_hand():
    # D is 4 and 5 for the real images, 15 and 1 for the generated ones; the penalty is 16.
    assert critic_loss(linear, REAL, GENERATED).item() == pytest.approx(8 - 4.5 + 10 * 16)
    assert generator_loss(linear, GENERATED).item() == pytest.approx(-8)


def test_the_penalty_trains_the_critic():
    critic = torch.nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        critic.weight.copy_(torch.tensor([[3.0, 4.0]]))
    penalty = gradient_penalty(lambda x: critic(x.flatten(1)), REAL, GENERATED, torch.zeros(2, 1, 1, 1))
    (gradient,) = torch.autograd.grad(penalty, critic.weight)
    # d (|w| - 1)^2 / dw = 2 (|w| - 1) w / |w|.
    torch.testing.assert_close(gradient, torch.tensor([[2 * 4 * 0.6, 2 * 4 * 0.8]]))


def test_the_critic_does_not_mix_the_images_of_a_batch():
    critic = Discriminator(1, 32, width=4, norm=ImageLayerNorm)
    images = torch.rand(3, 1, 32, 32)
    torch.testing.assert_close(critic(images)[:1], critic(images[:1]))
    assert float(critic(100 * images).detach().abs().max()) > 0  # no sigmoid: numbers, not shares
    assert not any(isinstance(part, torch.nn.BatchNorm2d | torch.nn.Sigmoid) for part in critic.modules())
