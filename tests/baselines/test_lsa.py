from __future__ import annotations

import math

import pytest
import torch

from tests.baselines import easy
from utad.baselines.lsa import LSA, DensityEstimator, novelty


def test_it_learns_and_finds_the_square():
    method = LSA(size=easy.SIZE, width=8, latent_dim=8, steps=300, batch_size=8)
    assert easy.image_auroc(method) > 0.9
    assert easy.falls(method.losses_)


def test_each_number_is_predicted_from_those_before_it():
    estimator = DensityEstimator(5, hidden=4, bins=7)
    codes = torch.rand(1, 5, requires_grad=True)
    predicted = estimator(codes)
    for position in range(5):
        gradient = torch.autograd.grad(
            predicted[0, position].square().sum(), codes, retain_graph=True, allow_unused=True
        )
        assert (gradient[0][0, position:] == 0).all()
        assert (gradient[0][0, :position] != 0).all()


def test_the_density_sums_to_one():
    estimator = DensityEstimator(2, hidden=4, bins=6)
    centres = (torch.arange(6) + 0.5) / 6
    # p(z_1) does not hang on z; p(z_2 | z_1) sums to one for every z_1.
    grid = torch.cartesian_prod(centres, centres)
    with torch.no_grad():
        assert torch.exp(-estimator.negative_log_likelihood(grid)).sum().item() == pytest.approx(1, abs=1e-5)


def test_an_estimator_without_weights_gives_the_uniform_density():
    estimator = DensityEstimator(3, bins=10)
    with torch.no_grad():
        for parameter in estimator.parameters():
            parameter.zero_()
        likelihood = estimator.negative_log_likelihood(torch.tensor([[0.0, 0.5, 1.0]]))
    assert likelihood.item() == pytest.approx(3 * math.log(10), rel=1e-5)


def test_the_ranges_are_of_images_that_trained_no_network(monkeypatch):
    method = LSA(size=32, width=2, latent_dim=4, steps=3, batch_size=4)
    images = torch.rand(20, 1, 32, 32)
    trained = []
    loss = LSA._loss
    monkeypatch.setattr(LSA, "_loss", lambda self, batch: trained.append(batch) or loss(self, batch))
    method.learn(images)
    seen = {float(image.sum()) for batch in trained for image in batch}
    assert not seen & {float(image.sum()) for image in images[18:]}
    with torch.no_grad():
        held_back, residual_of_all = method._both(images[18:]), method._both(images)[0]
    for found, values in zip(method.ranges_, held_back, strict=True):
        assert found == pytest.approx((float(values.min()), float(values.max())), rel=1e-5)
    assert method.ranges_[0] != pytest.approx((float(residual_of_all.min()), float(residual_of_all.max())), rel=1e-4)


def test_novelty_by_hand():
    found = novelty(torch.tensor([2.0, 6.0]), torch.tensor([10.0, 5.0]), (2.0, 4.0), (0.0, 10.0))
    assert found.tolist() == [1.0, 2.5]
