from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.baselines import easy
from utad.baselines.baseline import Scores
from utad.baselines.blocks import elbo_bound
from utad.baselines.cavga import CAVGAu, Code, SpatialVAE, attention, attention_expansion_loss, grad_cam


def small(*, steps: int, **settings) -> CAVGAu:
    return CAVGAu(size=32, width=8, latent_dim=8, steps=steps, batch_size=8, **settings)


def turned(images: torch.Tensor) -> torch.Tensor:
    """The same with a square turned by half a turn: its pixels are the same ones at other positions."""
    changed = images.clone()
    changed[:, :, 4:28, 4:28] = changed[:, :, 4:28, 4:28].flip(2, 3)
    return changed


def fitted(*, steps: int, seed: int = 0, **settings) -> CAVGAu:
    torch.manual_seed(seed)
    method = small(steps=steps, learning_rate=1e-3, **settings)
    method.learn(waves(40))
    return method


def waves(count: int, *, seed: int = 0) -> torch.Tensor:
    """Smooth grey images, `(count, 1, 32, 32)`."""
    return easy.waves(count, seed=seed)[:, :, ::2, ::2]


def score(method: CAVGAu, images: torch.Tensor) -> Scores:
    with torch.no_grad():
        return method.score(images)


def test_it_learns_and_scores_a_turned_square_higher():
    images = waves(12, seed=1)
    found = []
    for steps in (0, 50):
        method = fitted(steps=steps)
        normal, anomalous = score(method, images).image, score(method, turned(images)).image
        found.append((anomalous[:, None] > normal[None]).float().mean().item())
    untrained, trained = found
    assert untrained < 0.7
    assert trained > 0.95
    assert easy.falls(method.losses_, to=-1.0)
    assert len(method.adversarial_losses_) == 50


def test_its_loss_makes_attention_cover_more_of_normal_images():
    with_loss, without = (
        attention(-score(fitted(steps=50, seed=1, attention_weight=weight), waves(12, seed=1)).maps).mean()
        for weight in (0.01, 0.0)
    )
    assert with_loss > without + 0.05


def test_behind_fit_and_predict():
    assert easy.image_auroc(CAVGAu(size=32, width=8, latent_dim=8, steps=60, learning_rate=1e-3)) > 0.9


def test_the_same_seed_twice():
    images = waves(4, seed=1)
    first, second = (score(fitted(steps=3), images) for _ in range(2))
    assert torch.equal(first.image, second.image)
    assert torch.equal(first.maps, second.maps)


def test_the_grad_cam_of_a_linear_head_in_closed_form():
    head = nn.Conv2d(2, 3, 1)
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[1.0, 0.0], [2.0, -1.0], [0.0, 4.0]])[:, :, None, None])
    features = torch.tensor([[[[1.0, -2.0]], [[3.0, 0.5]]]]).requires_grad_()
    # alpha is the sum of each column of weights, 3 and 3, whatever the features and the bias are.
    torch.testing.assert_close(grad_cam(features, head(features)), torch.tensor([[[12.0, -4.5]]]))


def test_the_grad_cam_averages_gradients_over_positions_and_keeps_images_apart():
    features = torch.tensor([[[[1.0, 2.0]]], [[[3.0, 5.0]]]]).requires_grad_()
    # d(sum F^2) / dF = 2 F: its means over positions are 3 and 8.
    torch.testing.assert_close(grad_cam(features, features.square()), torch.tensor([[[3.0, 6.0]], [[24.0, 40.0]]]))


def test_attention_by_hand_and_in_its_range():
    raw = torch.tensor([-3.0, 0.0, math.log(3), 50.0])
    torch.testing.assert_close(attention(raw), torch.tensor([0.5, 0.5, 0.75, 1.0]))
    torch.testing.assert_close(attention_expansion_loss(attention(raw)), torch.tensor(1.25 / 4))
    covered = attention(100 * torch.randn(1000, generator=torch.Generator().manual_seed(0)))
    assert 0.5 <= covered.min() <= covered.max() <= 1


def test_the_attention_loss_reaches_the_encoder_through_the_second_derivative():
    torch.manual_seed(0)
    features, head = nn.Conv2d(1, 3, 3).double(), nn.Conv2d(3, 2, 1).double()
    images = torch.rand(2, 1, 6, 6, dtype=torch.float64)

    def loss() -> torch.Tensor:
        shown = features(images)
        # The square makes alpha a function of the features, so that all of it is differentiated twice.
        return attention_expansion_loss(torch.sigmoid(grad_cam(shown, head(shown.square()))))

    weights = (features.weight, head.weight)
    found = torch.autograd.grad(loss(), weights)
    for weight, gradient in zip(weights, found, strict=True):
        for index in (0, weight.numel() - 1):
            differences = []
            for change in (1e-5, -1e-5):
                with torch.no_grad():
                    weight.view(-1)[index] += change
                differences.append(loss().item())
                with torch.no_grad():
                    weight.view(-1)[index] -= change
            expected = (differences[0] - differences[1]) / 2e-5
            assert abs(expected) > 1e-4
            assert gradient.flatten()[index].item() == pytest.approx(expected, rel=1e-5)
    # With alpha for a constant the head would have no gradient at all.
    shown = features(images)
    constant = torch.autograd.grad(head(shown.square()).sum(), shown)[0].mean(dim=(2, 3), keepdim=True)
    without = torch.sigmoid((constant * features(images)).sum(dim=1))
    assert torch.autograd.grad(attention_expansion_loss(without), head.weight, allow_unused=True) == (None,)


def test_attention_grows_where_its_loss_is_minimised_alone():
    torch.manual_seed(0)
    network = SpatialVAE(1, 4, width=4)
    images = easy.waves(8)
    adam = torch.optim.Adam(network.parameters(), lr=1e-3)
    losses = []
    for _ in range(20):
        code = network.encode(images)
        losses.append(attention_expansion_loss(attention(grad_cam(code.features, code.mu))))
        adam.zero_grad()
        torch.autograd.backward(losses[-1])
        adam.step()
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize("size", [32, 64, 96])
def test_the_latent_is_a_map_at_a_sixteenth_of_the_side(size):
    network = SpatialVAE(3, 5, width=4)
    with torch.no_grad():
        images = torch.rand(2, 3, size, size)
        code, restored = network.encode(images), network(images)
    assert code.features.shape == (2, 32, size // 16, size // 16)
    assert code.mu.shape == code.log_var.shape == (2, 5, size // 16, size // 16)
    assert restored.shape == images.shape
    assert 0 <= restored.min() <= restored.max() <= 1


def test_the_bound_by_hand_for_a_latent_that_is_a_map():
    images, restored = torch.full((2, 1, 2, 2), 0.75), torch.full((2, 1, 2, 2), 0.5)
    mu, log_var = torch.zeros(2, 3, 1, 2), torch.zeros(2, 3, 1, 2)
    mu[:, 0, 0, 1] = 2.0
    # gamma is the error, 0.25: one half a value; the divergence is mu^2 / 2.
    expected = 4 * 0.5 + 4 * math.log(0.25) + 2.0
    assert elbo_bound(images, restored, mu, log_var).item() == pytest.approx(expected)


class Fixed(nn.Module):
    """Encodes every image as the same features, with a mu twice as large and sigma 1; restores grey."""

    def encode(self, images: torch.Tensor) -> Code:
        features = torch.full((len(images), 1, 2, 2), 0.5, requires_grad=True)
        return Code(features, 2 * features, torch.zeros_like(features))

    def decoder(self, latent: torch.Tensor) -> torch.Tensor:
        return torch.full((len(latent), 1, 32, 32), 0.5)


def test_the_losses_by_hand():
    method = small(steps=1, adversarial_weight=0.3)
    method.network_, images = Fixed(), torch.full((3, 1, 32, 32), 0.75)
    # The discriminator says twice the mean: 1.5 of the images and 1 of what is restored.
    method.discriminator_ = lambda shown: 2 * shown.mean(dim=(1, 2, 3))[:, None]
    # gamma is the error, 0.25; mu is 1 at four positions. All of it is a mean over 1024 values.
    bound = (1024 * (0.5 + math.log(0.25)) + 4 * 0.5) / 1024
    softplus = functional.softplus
    # alpha is 2 and F is 0.5: A = sigmoid(1).
    uncovered = 1 - 1 / (1 + math.exp(-1))
    expected = bound + 0.3 * softplus(torch.tensor(-1.0)).item() + 0.01 * uncovered
    assert method._network_loss(images).item() == pytest.approx(expected, rel=1e-5)
    expected = softplus(torch.tensor(-1.5)) + softplus(torch.tensor(1.0))
    assert method._discriminator_loss(images).item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_score_is_the_residual_and_the_map_what_attention_leaves_out():
    method = small(steps=2)
    images = waves(4)
    torch.manual_seed(0)
    method.learn(images)
    with torch.no_grad():
        found = method.score(images)
        features = method.network_.features(images)
        alpha = method.network_.to_mu.weight.sum(dim=0)[None]  # (1, K, 1, 1)
        raw = (alpha * features).sum(dim=1)
        residual = (images - method.network_(images)).abs().mean(dim=(1, 2, 3))
    torch.testing.assert_close(found.image, residual)
    assert found.maps.shape == (4, 32, 32)
    expected = functional.interpolate(-raw[:, None], size=32, mode="bilinear", align_corners=False)[:, 0]
    torch.testing.assert_close(found.maps, expected)
