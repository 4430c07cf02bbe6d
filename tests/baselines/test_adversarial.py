from __future__ import annotations

import pytest
import torch

from tests.baselines import easy
from utad.baselines.anogan import AnoGAN, anogan_loss
from utad.baselines.blocks import noisy
from utad.baselines.skip_ganomaly import SkipGANomaly, UNet, latent_loss, skip_ganomaly_score


def test_anogan_learns_and_finds_the_square():
    method = AnoGAN(size=easy.SIZE, width=8, latent_dim=16, steps=200, iterations=40)
    assert easy.image_auroc(method) > 0.9
    assert len(method.adversarial_losses_) == 200
    # The generator learnt the normal images: its own are nearer to them than grey is.
    normal = torch.from_numpy(easy.picture(0)[..., 0] / 255).float()[None, None]
    generated = method.generator_(torch.randn(32, 16))
    assert (generated - normal).abs().mean() < (0.5 - normal).abs().mean()


def test_skip_ganomaly_learns_and_finds_the_square():
    method = SkipGANomaly(size=easy.SIZE, width=8, steps=100)
    assert easy.image_auroc(method) > 0.9
    assert easy.falls(method.losses_)


def test_the_loss_of_anogan_by_hand():
    images, nearest = torch.zeros(1, 1, 2, 2), torch.full((1, 1, 2, 2), 0.5)
    features, others = torch.tensor([[1.0, 2.0]]), torch.tensor([[4.0, 2.0]])
    assert anogan_loss(images, nearest, features, others, 0.1).item() == pytest.approx(0.9 * 0.5 + 0.1 * 1.5)


def test_the_search_lowers_the_loss():
    method = AnoGAN(size=32, width=4, latent_dim=8, steps=5, iterations=0)
    images = torch.rand(8, 1, 32, 32)
    method.learn(images)
    before = method.score(images[:2]).image
    method.iterations = 60
    assert (method.score(images[:2]).image < before).all()


def test_the_score_of_skip_ganomaly_by_hand():
    images, restored = torch.zeros(1, 1, 2, 2), torch.full((1, 1, 2, 2), 0.5)
    features, others = torch.tensor([[1.0, 2.0]]), torch.tensor([[4.0, 2.0]])
    assert skip_ganomaly_score(images, restored, features, others).item() == pytest.approx(0.9 * 0.5 + 0.1 * 4.5)


def test_the_latent_term_by_hand_and_how_it_is_weighed():
    latent, other = torch.tensor([[1.0, 2.0]]), torch.tensor([[4.0, 2.0]])
    assert latent_loss(latent, other).item() == pytest.approx(4.5)
    method = SkipGANomaly(size=32, width=4, steps=1, noise=0.0)
    images = torch.rand(4, 1, 32, 32)
    method.learn(images)
    with torch.no_grad():
        shown = 2 * images - 1
        restored = 2 * method.network_(shown) - 1
        real, fake = method.latent_(shown), method.latent_(restored)
        assert real.shape == (4, 100)
        latent = (real - fake).square().mean()
        softplus = torch.nn.functional.softplus
        expected = softplus(-method.judge_(fake)).mean() + 40 * (shown - restored).abs().mean() + latent
        torch.testing.assert_close(method._generator_loss(images), expected)
        expected = softplus(-method.judge_(real)).mean() + softplus(method.judge_(fake)).mean() + latent
        torch.testing.assert_close(method._discriminator_loss(images), expected)
        score = 0.9 * (shown - restored).abs().mean(dim=(1, 2, 3)) + 0.1 * (real - fake).square().mean(dim=1)
        torch.testing.assert_close(method.score(images).image, score)


def test_the_u_net_of_skip_ganomaly_sees_noise_in_training_alone():
    noise = noisy(torch.full((1, 1, 200, 200), 0.5), 0.2) - 0.5
    assert noise.mean().item() == pytest.approx(0, abs=0.01)
    assert noise.std().item() == pytest.approx(0.2, rel=0.05)
    method = SkipGANomaly(size=32, width=4, steps=1)
    images = torch.rand(4, 1, 32, 32)
    method.learn(images)
    seen = []
    method.network_.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        method._generator_loss(images)
        method._discriminator_loss(images)
        method.score(images)
    shown = 2 * images - 1
    for one in seen[:2]:
        assert (one - shown).std().item() == pytest.approx(0.2, rel=0.1)
    torch.testing.assert_close(seen[2], shown)


@pytest.mark.parametrize("size", [32, 64, 128])
def test_the_u_net_restores_the_size(size):
    restored = UNet(3, size, width=4)(torch.rand(2, 3, size, size))
    assert restored.shape == (2, 3, size, size)
    assert 0 <= float(restored.detach().min()) <= float(restored.detach().max()) <= 1
