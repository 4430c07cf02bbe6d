from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import eigh
from torch.distributions import MultivariateNormal

from utad.scoring.contrast import CorruptedVectors, directions, vectors_at
from utad.scoring.gaussian import GaussianTerm


def draws(count: int, spreads: list[float], seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, len(spreads), generator=generator) * torch.tensor(spreads)


def test_the_formula_against_scipy():
    corrupted = draws(200, [3, 2.5, 0.4, 6], 1) @ draws(4, [1.0] * 4, 9)
    ratios, vectors = eigh(corrupted.numpy().T.astype(np.float64) @ corrupted.numpy() / 200)
    probe = draws(5, [1.0] * 4, 2)
    expected = ((probe.numpy() @ vectors) ** 2 * np.clip(1 - 1 / ratios, 0, None)).sum(axis=1)
    measured = (probe @ directions(corrupted).T).square().sum(dim=1)
    np.testing.assert_allclose(measured.numpy(), expected, rtol=1e-4)


def test_it_is_the_log_likelihood_ratio_where_corruptions_stand_out_everywhere():
    corrupted = draws(4000, [4, 5, 3], 1)
    normal = MultivariateNormal(torch.zeros(3), torch.eye(3))
    changed = MultivariateNormal(torch.zeros(3), corrupted.T @ corrupted / len(corrupted))
    probe, zero = draws(20, [3, 3, 3], 2), torch.zeros(3)
    ratio = changed.log_prob(probe) - normal.log_prob(probe)
    at_zero = changed.log_prob(zero) - normal.log_prob(zero)
    half = (probe @ directions(corrupted).T).square().sum(dim=1) / 2
    torch.testing.assert_close(half, ratio - at_zero, rtol=1e-3, atol=1e-3)


def test_a_direction_that_no_corruption_changes_counts_for_nothing():
    matrix = directions(draws(5000, [30, 0.5], 1))
    changed, unchanged = (float((matrix @ torch.tensor(axis)).norm()) for axis in ([3.0, 0.0], [0.0, 3.0]))
    assert unchanged < 0.1
    assert changed == pytest.approx(3, rel=0.01)


def test_only_places_that_were_changed_are_taken():
    maps = torch.arange(2 * 3 * 16.0).reshape(2, 3, 4, 4)
    mask = torch.zeros(2, 8, 8, dtype=torch.bool)
    mask[0, :2, 2:4] = True  # all of position (0, 1)
    mask[1, 6, 4:6] = True  # half of position (3, 2)
    mask[1, 0, 0] = True  # a quarter of position (0, 0)
    taken = vectors_at(maps, mask, torch.tensor([7, 5]))
    assert taken.place.tolist() == [1, 14]
    assert taken.image.tolist() == [7, 5]
    assert torch.equal(taken.vectors, torch.stack([maps[0, :, 0, 1], maps[1, :, 3, 2]]))


def test_images_can_be_left_out():
    vectors = CorruptedVectors(torch.rand(4, 2), torch.arange(4), torch.tensor([0, 1, 1, 2]))
    kept = vectors.without(torch.tensor([False, True, False]))
    assert kept.place.tolist() == [0, 3]
    both = CorruptedVectors.joined([kept, kept])
    assert both.image.tolist() == [0, 2, 0, 2]


def test_a_term_that_knows_corruptions_finds_weak_ones_that_noise_hides():
    generator = torch.Generator().manual_seed(0)
    normal = torch.randn(1000, 40, 4, 4, generator=generator)
    changed = torch.randn(1000, 40, 4, 4, generator=generator)
    changed[:, :2] *= 3  # what corruptions do: two of forty channels
    mask = torch.ones(1000, 8, 8, dtype=torch.bool)
    corrupted = vectors_at(changed, mask, torch.arange(1000))
    probe, defect = (torch.randn(100, 40, 4, 4, generator=generator) for _ in range(2))
    defect[:, :2] *= 3

    def told_apart(term: GaussianTerm) -> float:
        return float((term(defect)[:, None] > term(probe)[None]).float().mean())

    plain, knowing = GaussianTerm().fit(normal), GaussianTerm().fit(normal, corrupted)
    assert told_apart(knowing) > told_apart(plain) + 0.05
