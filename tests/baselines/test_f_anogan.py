from __future__ import annotations

import pytest
import torch

from tests.baselines import easy
from utad.baselines.f_anogan import FAnoGAN, izif_residual


def test_it_learns_and_finds_the_square():
    method = FAnoGAN(size=32, width=8, latent_dim=16, steps=25, encoder_steps=60, batch_size=8, learning_rate=2e-3)
    assert easy.image_auroc(method) > 0.9
    assert len(method.adversarial_losses_) == 25
    assert len(method.losses_) == 60
    assert easy.falls(method.losses_)
    # The generator learnt the normal images: its own are nearer to them than grey is.
    normal = torch.from_numpy(easy.picture(0)[::2, ::2, 0] / 255).float()[None, None]
    generated = method.generator_(torch.randn(32, 16))
    assert (generated - normal).abs().mean() < (0.5 - normal).abs().mean()


def test_the_residual_by_hand():
    images, restored = torch.zeros(1, 1, 2, 2), torch.full((1, 1, 2, 2), 0.5)
    features, others = torch.tensor([[1.0, 2.0]]), torch.tensor([[4.0, 2.0]])
    assert izif_residual(images, restored, features, others).item() == pytest.approx(0.25 + 1.0 * 4.5)


def test_the_score_is_the_residual_that_the_encoder_minimises_and_the_map_the_difference():
    method = FAnoGAN(size=32, width=4, latent_dim=8, steps=1, encoder_steps=1, batch_size=4)
    images = torch.rand(4, 1, 32, 32)
    method.learn(images)
    with torch.no_grad():
        scores = method.score(images)
        restored = method.generator_(method.encoder_(2 * images - 1))
        features = [method.critic_.features(2 * x - 1) for x in (images, restored)]
        # The mean squared difference of images in [-1, 1] is four times that in [0, 1].
        expected = 4 * (images - restored).square().mean(dim=(1, 2, 3))
        expected += (features[0] - features[1]).square().mean(dim=(1, 2, 3))
    torch.testing.assert_close(scores.image, expected)
    # Smoothing keeps the mean, but for the mirrored border.
    torch.testing.assert_close(scores.maps.mean(), (images - restored).abs().mean(), rtol=0.02, atol=0)


def test_steps_are_those_of_all_networks():
    assert FAnoGAN(steps=7, encoder_steps=9).training_steps() == (
        "7 of the generator, 35 of the critic and 9 of the encoder, of 32 images"
    )
