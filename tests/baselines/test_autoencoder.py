from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from tests.baselines import easy
from utad.baselines.autoencoder import AEL2, AESSIM, ssim_map
from utad.baselines.blocks import ConvDecoder, ConvEncoder, ConvVAE, Discriminator, Generator
from utad.baselines.fitting import batches
from utad.errors import NonFiniteLossError
from utad.evaluation.methods import build_method
from utad.evaluation.studies import STUDIES


@pytest.mark.parametrize("kind", [AEL2, AESSIM])
def test_it_learns_and_finds_the_square(kind):
    method = kind(size=easy.SIZE, width=8, latent_dim=8, steps=300, batch_size=8)
    assert easy.image_auroc(method) > 0.9
    assert easy.falls(method.losses_)


def test_ssim_against_scikit_image():
    rng = np.random.default_rng(0)
    first = rng.random((40, 30))
    second = np.clip(first + rng.normal(0, 0.2, first.shape), 0, 1)
    _, expected = structural_similarity(
        first, second, win_size=11, data_range=1.0, use_sample_covariance=False, full=True
    )
    found = ssim_map(*(torch.from_numpy(x)[None, None] for x in (first, second)))[0, 0].numpy()
    # Apart from the borders, which each mirrors in its own way.
    np.testing.assert_allclose(found[5:-5, 5:-5], expected[5:-5, 5:-5], atol=1e-8)
    assert float(ssim_map(torch.ones(1, 1, 16, 16), torch.ones(1, 1, 16, 16)).min()) == pytest.approx(1)


def test_the_residuals_by_hand():
    images, reconstruction = torch.zeros(1, 2, 16, 16), torch.full((1, 2, 16, 16), 0.5)
    assert AEL2().residual(images, reconstruction).unique().tolist() == [0.5]
    # Flat images: SSIM is c1 / (0.25 + c1) there.
    expected = 1 - 1e-4 / (0.25 + 1e-4)
    assert AESSIM().residual(images, reconstruction).mean().item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("size", [64, 128])
def test_the_auto_encoder_restores_the_size(size):
    images = torch.rand(2, 3, size, size)
    codes = ConvEncoder(3, size, 10, width=4)(images)
    assert codes.shape == (2, 10)
    assert ConvDecoder(3, size, 10, width=4)(codes).shape == images.shape
    assert ConvVAE(3, size, 5, width=4)(images).shape == images.shape


@pytest.mark.parametrize(
    ("size", "code_side", "side"), [(128, 8, 8), (256, 8, 8), (256, 4, 4), (64, 8, 4), (288, 8, 9)]
)
def test_larger_images_are_halved_further_before_the_code(size, code_side, side):
    encoder = ConvEncoder(1, size, 5, width=2, code_side=code_side)
    assert encoder.to_code.kernel_size == (side, side)
    images = torch.rand(1, 1, size, size)
    codes = encoder(images)
    assert codes.shape == (1, 5)
    assert ConvDecoder(1, size, 5, width=2, code_side=code_side)(codes).shape == images.shape


@pytest.mark.parametrize(("name", "millions"), [("AE-64", 2.98), ("AE-128", 11.89), ("AE-256", 47.47)])
def test_the_auto_encoders_of_table_4_have_the_papers_parameters_to_within_a_hundredth(name, millions):
    (variant,) = (one for one in STUDIES["ablation-capacity"].variants("fast") if one.name == name)
    method = build_method(variant.base, seed=0, size=256, preset="fast", overrides=variant.overrides)
    arguments = {"width": method.width, "code_side": method.code_side}
    with torch.device("meta"):
        networks = [kind(3, 256, method.latent_dim, **arguments) for kind in (ConvEncoder, ConvDecoder)]
    count = sum(parameter.numel() for network in networks for parameter in network.parameters())
    assert count == pytest.approx(1e6 * millions, rel=0.0105)


@pytest.mark.parametrize("size", [32, 64, 128])
def test_generator_and_discriminator_fit_each_other(size):
    images = Generator(1, size, 100, width=4)(torch.randn(2, 100)).detach()
    assert images.shape == (2, 1, size, size)
    assert float(images.min()) >= 0
    assert float(images.max()) <= 1
    assert Discriminator(1, size, width=4, outputs=7)(images).shape == (2, 7)


def test_every_image_comes_once_a_round():
    images = torch.arange(10.0).reshape(10, 1, 1, 1)
    drawn = torch.cat(list(batches(images, steps=5, batch_size=4))).flatten()
    assert sorted(drawn[:10].tolist()) == list(range(10))
    assert sorted(drawn[10:].tolist()) == list(range(10))


def test_a_loss_that_is_not_finite_stops_naming_method_and_step():
    network = torch.nn.Linear(1, 1)
    with pytest.raises(NonFiniteLossError, match="ae-l2, step 0"):
        AEL2(steps=3, batch_size=2, learning_rate=0.1).train(
            [network], torch.ones(2, 1, 1, 1), lambda batch: network.weight.sum() / batch.sub(batch).sum()
        )


def test_the_learning_rate_falls_to_a_tenth_and_the_network_is_frozen():
    network = torch.nn.Linear(1, 1, bias=False)
    seen = []

    def loss(batch):
        seen.append(float(network.weight.detach()))
        return network.weight.sum() + 0 * batch.sum()

    method = AEL2(batch_size=2, learning_rate=0.1)
    method.weight_decay = 0.0
    assert len(method.train([network], torch.ones(2, 1), loss, steps=4, drop_after=2)) == 4
    # Adam's steps down a constant slope are as long as its rate.
    np.testing.assert_allclose(np.diff(seen), [-0.1, -0.1, -0.01], rtol=1e-4)
    assert not network.training
    assert not network.weight.requires_grad
