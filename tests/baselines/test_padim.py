from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import mahalanobis
from sklearn.metrics import roc_auc_score

from tests.baselines.easy import waves
from utad.baselines.padim import CHANNELS, EPSILON, PaDiM, gaussian_per_position


def test_mean_and_distance_against_numpy_and_scipy():
    vectors = torch.randn(5, 12, 4, dtype=torch.float64) @ torch.randn(4, 4, dtype=torch.float64) + 3
    mean, inverse_factor = gaussian_per_position(vectors)
    assert (mean.shape, inverse_factor.shape) == ((5, 4), (5, 4, 4))
    assert mean.dtype == inverse_factor.dtype == torch.float32
    probe = torch.randn(5, 4) + 3
    for position in range(5):
        points = vectors[position].numpy()
        np.testing.assert_allclose(mean[position].numpy(), points.mean(axis=0), rtol=1e-5)
        inverse = np.linalg.inv(np.cov(points, rowvar=False) + EPSILON * np.eye(4))
        expected = mahalanobis(probe[position].numpy(), points.mean(axis=0), inverse)
        assert float((inverse_factor[position] @ (probe[position] - mean[position])).norm()) == pytest.approx(
            expected, rel=1e-4
        )


def test_fewer_images_than_channels_are_regularised():
    # Two equal images have no covariance: epsilon alone is left, and W is its inverse root.
    _, inverse_factor = gaussian_per_position(torch.ones(1, 2, 3, dtype=torch.float64))
    torch.testing.assert_close(inverse_factor[0], torch.eye(3) / EPSILON**0.5)


def test_a_bright_square_is_found_and_where_it_is():
    method = PaDiM(size=64)
    method.learn(waves(24))
    assert method.chosen_.unique().shape == (CHANNELS,)
    normal, anomalous = waves(10, seed=1), waves(10, seed=2)
    anomalous[:, :, 40:50, 12:22] = 1.0
    with torch.no_grad():
        scores = method.score(torch.cat([normal, anomalous]))
    assert scores.maps.shape == (20, 64, 64)
    torch.testing.assert_close(scores.image, scores.maps.flatten(1).amax(dim=1))
    assert roc_auc_score([0] * 10 + [1] * 10, scores.image.numpy()) > 0.9
    for peak in scores.maps[10:].flatten(1).argmax(dim=1).tolist():
        row, column = divmod(peak, 64)
        assert 32 <= row < 58
        assert 4 <= column < 30


def test_score_of_a_position_is_the_distance_that_numpy_gives(monkeypatch):
    monkeypatch.setattr("utad.baselines.padim.smooth", lambda maps, sigma: maps)
    # At the resolution of the features there is nothing to interpolate: the map is the distances themselves.
    method = PaDiM(size=64)
    method.learn(waves(8))
    method.size = 8
    probe = waves(1, seed=5)
    with torch.no_grad():
        maps = method.score(probe).maps
        training = method.features_(waves(8))[:, method.chosen_].numpy()
        vector = method.features_(probe)[0, method.chosen_].numpy()
    points = training[:, :, 3, 6].astype(np.float64)
    inverse = np.linalg.inv(np.cov(points, rowvar=False) + EPSILON * np.eye(CHANNELS))
    expected = mahalanobis(vector[:, 3, 6], points.mean(axis=0), inverse)
    assert float(maps[0, 3, 6]) == pytest.approx(expected, rel=1e-3)
