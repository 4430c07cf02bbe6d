from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from tests.baselines.easy import waves
from utad.baselines import patchcore
from utad.baselines.patchcore import PatchCore, reweighted


def nearest_to(patches: torch.Tensor, memory: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    distances, indices = NearestNeighbors(n_neighbors=1).fit(memory.numpy()).kneighbors(patches.numpy())
    return torch.tensor(distances[:, 0]).float(), torch.tensor(indices[:, 0])


def test_reweighted_by_hand():
    # The patch at 4 is farthest: 2 from its neighbour at 2, whose two nearest are itself and the one at 1.
    memory = torch.tensor([[0.0], [1.0], [2.0], [9.0]])
    patches = torch.tensor([[0.5], [4.0]])
    nearest, neighbour = nearest_to(patches, memory)
    expected = (1 - math.exp(2) / (math.exp(2) + math.exp(3))) * 2
    assert float(reweighted(patches, nearest, neighbour, memory, b=2)) == pytest.approx(expected)


def test_reweighted_against_the_formula():
    memory, patches = torch.randn(30, 5), 2 * torch.randn(12, 5)
    nearest, neighbour = nearest_to(patches, memory)
    star = int(nearest.argmax())
    centre = memory[neighbour[star]].numpy()
    _, around = NearestNeighbors(n_neighbors=9).fit(memory.numpy()).kneighbors(centre[None])
    exponentials = np.exp(np.linalg.norm(memory.numpy()[around[0]] - patches[star].numpy(), axis=1))
    expected = (1 - math.exp(nearest[star]) / exponentials.sum()) * float(nearest[star])
    assert float(reweighted(patches, nearest, neighbour, memory)) == pytest.approx(expected, rel=1e-5)


def test_reweighted_at_distances_whose_exponentials_overflow():
    memory = torch.tensor([[0.0], [1.0]])
    patches = torch.tensor([[1000.0]])
    nearest, neighbour = nearest_to(patches, memory)
    # exp 999 / (exp 999 + exp 1000) = 1 / (1 + e).
    expected = (1 - 1 / (1 + math.e)) * 999
    assert float(reweighted(patches, nearest, neighbour, memory)) == pytest.approx(expected, rel=1e-5)


def test_a_memory_of_one_patch_gives_its_distance():
    memory = torch.zeros(1, 2)
    patches = torch.tensor([[3.0, 4.0], [1.0, 0.0]])
    nearest, neighbour = nearest_to(patches, memory)
    assert float(reweighted(patches, nearest, neighbour, memory)) == 5.0


def test_distances_against_scikit_learn(monkeypatch):
    monkeypatch.setattr(patchcore, "smooth", lambda maps, sigma: maps)
    method = PatchCore(size=64)
    method.learn(waves(6))
    # 10 % of the 8 x 8 patches of six images.
    assert method.memory_.shape == (38, 176)
    # At the resolution of the features there is nothing to interpolate: the map is the distances themselves.
    method.size = 8
    with torch.no_grad():
        scores = method.score(waves(3, seed=4))
        vectors = method._vectors(waves(3, seed=4))
    rows = vectors.permute(0, 2, 3, 1).reshape(-1, 176).numpy()
    expected, _ = NearestNeighbors(n_neighbors=1).fit(method.memory_.numpy()).kneighbors(rows)
    np.testing.assert_allclose(scores.maps.flatten().numpy(), expected[:, 0], rtol=1e-3, atol=1e-3)
    assert (scores.image <= scores.maps.flatten(1).amax(dim=1)).all()


def test_the_candidates_are_bounded(monkeypatch):
    monkeypatch.setattr(patchcore, "MAX_CANDIDATES", 50)
    method = PatchCore(size=64)
    method.learn(waves(6))
    assert method.memory_.shape == (5, 176)


def test_a_bright_square_is_found_and_where_it_is():
    method = PatchCore(size=64)
    method.learn(waves(24))
    normal, anomalous = waves(10, seed=1), waves(10, seed=2)
    anomalous[:, :, 40:50, 12:22] = 1.0
    with torch.no_grad():
        scores = method.score(torch.cat([normal, anomalous]))
    assert scores.maps.shape == (20, 64, 64)
    assert roc_auc_score([0] * 10 + [1] * 10, scores.image.numpy()) > 0.9
    for peak in scores.maps[10:].flatten(1).argmax(dim=1).tolist():
        row, column = divmod(peak, 64)
        assert 32 <= row < 58
        assert 4 <= column < 30
