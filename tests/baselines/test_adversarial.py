from __future__ import annotations

import pytest
import torch

from tests.baselines import easy
from utad.baselines.anogan import AnoGAN, FAnoGAN, anogan_loss
from utad.baselines.skip_ganomaly import SkipGANomaly, UNet, skip_ganomaly_score
from utad.errors import NonFiniteLossError


def test_anogan_learns_and_finds_the_square():
    method = AnoGAN(size=easy.SIZE, width=8, latent_dim=16, steps=200, iterations=40)
    assert easy.image_auroc(method) > 0.9
    assert len(method.adversarial_losses_) == 200
    # The generator learnt the normal images: its own are nearer to them than grey is.
    normal = torch.from_numpy(easy.picture(0)[..., 0] / 255).float()[None, None]
    generated = method.generator_(torch.randn(32, 16))
    assert (generated - normal).abs().mean() < (0.5 - normal).abs().mean()


def test_f_anogan_learns_and_finds_the_square():
    method = AnoGAN(size=easy.SIZE, width=8, latent_dim=16, steps=200, encoder=True)
    assert easy.image_auroc(method) > 0.9
    assert method.losses_[-1] < 0.8 * method.losses_[0]


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


def test_f_anogan_has_an_encoder():
    assert FAnoGAN(size=64).encoder
    assert FAnoGAN(size=64).size == 64
    assert not AnoGAN().encoder


def test_the_score_of_skip_ganomaly_by_hand():
    images, restored = torch.zeros(1, 1, 2, 2), torch.full((1, 1, 2, 2), 0.5)
    features, others = torch.tensor([[1.0, 2.0]]), torch.tensor([[4.0, 2.0]])
    assert skip_ganomaly_score(images, restored, features, others).item() == pytest.approx(0.9 * 0.5 + 0.1 * 4.5)


@pytest.mark.parametrize("size", [32, 64, 128])
def test_the_u_net_restores_the_size(size):
    restored = UNet(3, size, width=4)(torch.rand(2, 3, size, size))
    assert restored.shape == (2, 3, size, size)
    assert 0 <= float(restored.detach().min()) <= float(restored.detach().max()) <= 1


def test_an_adversarial_loss_that_is_not_finite_stops():
    generator, discriminator = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
    with pytest.raises(NonFiniteLossError, match="anogan, step 0"):
        AnoGAN(steps=3, batch_size=2).train_adversarial(
            generator,
            discriminator,
            torch.ones(2, 1, 1, 1),
            (lambda batch: generator.weight.sum(), lambda batch: discriminator.weight.sum() / batch.sub(batch).sum()),
        )
