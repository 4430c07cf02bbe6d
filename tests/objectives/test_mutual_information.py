from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence
from torch.nn import functional

from utad.objectives.mutual_information import jensen_shannon_loss, mismatch, prior_divergence, sample_latent


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(4, 1), (4, 1, 3, 3), ()])
def test_a_critic_that_knows_nothing_gives_two_log_two(shape):
    zeros = torch.zeros(shape)
    assert jensen_shannon_loss(zeros, zeros).item() == pytest.approx(2 * math.log(2))


def test_value_by_hand():
    # sigma(log 3) = 3/4 and 1 - sigma(-log 3) = 3/4: each expectation is -log 3/4.
    logits = torch.full((5, 1), math.log(3))
    assert jensen_shannon_loss(logits, -logits).item() == pytest.approx(2 * math.log(4 / 3))


def test_it_is_binary_cross_entropy_of_matched_against_mismatched():
    matched, mismatched = 3 * noise(6, 1, 2, 2), 3 * noise(4, 1, seed=1)
    expected = functional.binary_cross_entropy_with_logits(matched, torch.ones_like(matched))
    expected += functional.binary_cross_entropy_with_logits(mismatched, torch.zeros_like(mismatched))
    assert torch.isclose(jensen_shannon_loss(matched, mismatched), expected)


def test_extreme_logits_stay_finite():
    extreme = torch.full((3,), 1e4)
    assert jensen_shannon_loss(extreme, -extreme).item() == 0
    assert jensen_shannon_loss(-extreme, extreme).item() == pytest.approx(2e4)


def test_descending_it_raises_matched_and_lowers_mismatched_logits():
    matched, mismatched = torch.zeros(4, requires_grad=True), torch.zeros(2, requires_grad=True)
    jensen_shannon_loss(matched, mismatched).backward()
    # The slope of softplus at 0 is a half, shared by the elements of the mean.
    assert matched.grad.tolist() == [-0.125] * 4
    assert mismatched.grad.tolist() == [0.25] * 2


@pytest.mark.parametrize("count", range(2, 10))
def test_mismatch_never_pairs_an_image_with_itself_and_uses_every_map_once(count):
    maps = torch.arange(count)[:, None, None, None].expand(count, 3, 2, 2)
    partners = mismatch(maps)[:, 0, 0, 0]
    assert bool((partners != torch.arange(count)).all())
    assert sorted(partners.tolist()) == list(range(count))


@pytest.mark.parametrize("count", [0, 1])
def test_mismatch_refuses_a_batch_without_another_image(count):
    with pytest.raises(ValueError, match="at least 2 images"):
        mismatch(torch.zeros(count, 3, 2, 2))


def test_a_latent_is_mean_plus_deviation_times_noise():
    mu, log_var = torch.tensor([[1.0, -2.0]]), torch.tensor([[math.log(4.0), 0.0]])
    sampled = sample_latent(mu, log_var, torch.tensor([[-0.5, 3.0]]))
    assert torch.allclose(sampled, torch.tensor([[0.0, 1.0]]))


def test_latents_have_the_moments_asked_for():
    sampled = sample_latent(torch.full((20_000, 1), 2.0), torch.full((20_000, 1), math.log(0.25)), noise(20_000, 1))
    assert sampled.mean().item() == pytest.approx(2.0, abs=0.02)
    assert sampled.std().item() == pytest.approx(0.5, abs=0.02)


def test_the_gradient_passes_through_the_sampling():
    mu, log_var = torch.zeros(1, 1, requires_grad=True), torch.full((1, 1), math.log(9.0), requires_grad=True)
    sample_latent(mu, log_var, torch.tensor([[2.0]])).backward()
    assert mu.grad.item() == 1
    assert log_var.grad.item() == pytest.approx(0.5 * 3.0 * 2.0)


def test_prior_divergence_agrees_with_torch():
    mu, log_var = noise(5, 7), noise(5, 7, seed=1)
    distances = kl_divergence(Normal(mu, torch.exp(0.5 * log_var)), Normal(0.0, 1.0))
    assert torch.isclose(prior_divergence(mu, log_var), distances.sum(dim=1).mean())


def test_prior_divergence_is_zero_for_the_prior_itself():
    assert prior_divergence(torch.zeros(3, 4), torch.zeros(3, 4)).item() == 0
