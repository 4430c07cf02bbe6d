from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from utad.errors import NotFittedError
from utad.scoring import neighbours
from utad.scoring.neighbours import NeighbourDistance, nearest_distance, select_coreset


def rows(count: int, channels: int = 5, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, channels, generator=torch.Generator().manual_seed(seed))


def test_nearest_distance_against_scikit_learn():
    bank, patches = rows(40), rows(25, seed=1)
    expected, _ = NearestNeighbors(n_neighbors=1).fit(bank.numpy()).kneighbors(patches.numpy())
    np.testing.assert_allclose(nearest_distance(patches, bank).numpy(), expected[:, 0], rtol=1e-4)


def test_a_patch_of_the_bank_is_at_distance_zero():
    bank = rows(20)
    assert float(nearest_distance(bank[3:4], bank)) < 1e-2


def test_the_coreset_takes_one_patch_of_every_cluster():
    centres = 100 * torch.eye(4)
    patches = (centres[:, None] + 0.01 * rows(40, 4).reshape(4, 10, 4)).reshape(40, 4)
    chosen = select_coreset(patches, 4, seed=0)
    assert sorted((chosen // 10).tolist()) == [0, 1, 2, 3]


def test_a_coreset_as_large_as_the_patches_is_all_of_them_and_none_is_taken_twice():
    patches = rows(30)
    assert select_coreset(patches, 30, seed=0).tolist() == list(range(30))
    assert len(set(select_coreset(patches, 29, seed=0).tolist())) == 29


def test_fitting_is_repeatable_and_depends_on_the_seed(monkeypatch):
    monkeypatch.setattr(neighbours, "CANDIDATES", 60)
    vectors = torch.rand(6, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    banks = [NeighbourDistance(10, seed).fit(vectors).bank for seed in (0, 0, 1)]
    assert torch.equal(banks[0], banks[1])
    assert not torch.equal(banks[0], banks[2])
    assert banks[0].shape == (10, 4)


def test_what_is_far_from_normal_is_farther():
    vectors = torch.rand(6, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    distance = NeighbourDistance(50, 0).fit(vectors)
    probe = vectors[:1].clone()
    probe[:, :, 2, 2] += 10
    distances = distance(probe)[0]
    assert tuple(distances.shape) == (8, 8)
    row, column = divmod(int(distances.argmax()), 8)
    assert max(abs(row - 2), abs(column - 2)) <= 1
    # The 3x3 neighbourhood carries it to the positions around, and no further.
    assert float(distances[6, 6]) == pytest.approx(float(distance(vectors[:1])[0, 6, 6]), rel=1e-3)


def test_not_fitted():
    with pytest.raises(NotFittedError):
        NeighbourDistance(10, 0)(torch.rand(1, 4, 8, 8))


def test_positions_that_do_not_count_are_no_normal_patches():
    vectors = torch.randn(6, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    inside = torch.zeros(8, 8, dtype=torch.bool)
    inside[2:6, 1:4] = True
    distance = NeighbourDistance(1000, 0).fit(vectors, positions=inside)
    assert len(distance.bank) == 6 * 12
    found = distance(vectors)
    assert float(found[:, inside].max()) < 1e-2
    assert float(found[:, ~inside].min()) > 0.1
