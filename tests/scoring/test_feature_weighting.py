from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import eigh
from torch.distributions import MultivariateNormal

from utad.scoring.feature_weighting import AnomalousVectors, vectors_at, weighting_matrix
from utad.scoring.gaussian import GaussianDistance


def draws(count: int, deviations: list[float], seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, len(deviations), generator=generator) * torch.tensor(deviations)


def test_the_formula_against_scipy():
    anomalous = draws(200, [3, 2.5, 0.4, 6], 1) @ draws(4, [1.0] * 4, 9)
    ratios, vectors = eigh(anomalous.numpy().T.astype(np.float64) @ anomalous.numpy() / 200)
    probe = draws(5, [1.0] * 4, 2)
    expected = ((probe.numpy() @ vectors) ** 2 * np.clip(1 - 1 / ratios, 0, None)).sum(axis=1)
    measured = (probe @ weighting_matrix(anomalous).T).square().sum(dim=1)
    np.testing.assert_allclose(measured.numpy(), expected, rtol=1e-4)


def test_it_is_the_log_likelihood_ratio_where_synthetic_anomalies_stand_out_everywhere():
    anomalous = draws(4000, [4, 5, 3], 1)
    normal = MultivariateNormal(torch.zeros(3), torch.eye(3))
    changed = MultivariateNormal(torch.zeros(3), anomalous.T @ anomalous / len(anomalous))
    probe, zero = draws(20, [3, 3, 3], 2), torch.zeros(3)
    ratio = changed.log_prob(probe) - normal.log_prob(probe)
    at_zero = changed.log_prob(zero) - normal.log_prob(zero)
    half = (probe @ weighting_matrix(anomalous).T).square().sum(dim=1) / 2
    torch.testing.assert_close(half, ratio - at_zero, rtol=1e-3, atol=1e-3)


def test_a_direction_that_no_synthetic_anomaly_changes_counts_for_nothing():
    matrix = weighting_matrix(draws(5000, [30, 0.5], 1))
    changed, unchanged = (float((matrix @ torch.tensor(axis)).norm()) for axis in ([3.0, 0.0], [0.0, 3.0]))
    assert unchanged < 0.1
    assert changed == pytest.approx(3, rel=0.01)


def test_only_positions_that_were_changed_are_taken():
    maps = torch.arange(2 * 3 * 16.0).reshape(2, 3, 4, 4)
    mask = torch.zeros(2, 8, 8, dtype=torch.bool)
    mask[0, :2, 2:4] = True  # all of position (0, 1)
    mask[1, 6, 4:6] = True  # half of position (3, 2)
    mask[1, 0, 0] = True  # a quarter of position (0, 0)
    taken = vectors_at(maps, mask, torch.tensor([7, 5]))
    assert taken.position.tolist() == [1, 14]
    assert taken.image.tolist() == [7, 5]
    assert torch.equal(taken.vectors, torch.stack([maps[0, :, 0, 1], maps[1, :, 3, 2]]))


def test_images_can_be_left_out():
    vectors = AnomalousVectors(torch.rand(4, 2), torch.arange(4), torch.tensor([0, 1, 1, 2]))
    kept = vectors.without(torch.tensor([False, True, False]))
    assert kept.position.tolist() == [0, 3]
    both = AnomalousVectors.joined([kept, kept])
    assert both.image.tolist() == [0, 2, 0, 2]


def test_a_distance_that_knows_synthetic_anomalies_finds_weak_ones_that_noise_hides():
    generator = torch.Generator().manual_seed(0)
    normal = torch.randn(1000, 40, 4, 4, generator=generator)
    changed = torch.randn(1000, 40, 4, 4, generator=generator)
    changed[:, :2] *= 3  # what synthetic anomalies do: two of forty channels
    mask = torch.ones(1000, 8, 8, dtype=torch.bool)
    anomalous = vectors_at(changed, mask, torch.arange(1000))
    probe, defect = (torch.randn(100, 40, 4, 4, generator=generator) for _ in range(2))
    defect[:, :2] *= 3

    def told_apart(distance: GaussianDistance) -> float:
        return float((distance(defect)[:, None] > distance(probe)[None]).float().mean())

    plain, knowing = GaussianDistance().fit(normal), GaussianDistance().fit(normal, anomalous)
    assert told_apart(knowing) > told_apart(plain) + 0.05
