from __future__ import annotations

import numpy as np
import pytest
import torch

from utad.data.tile_places import TilePlaces
from utad.data.tiling import Layout
from utad.errors import NotFittedError
from utad.scoring import gaussian
from utad.scoring.feature_weighting import AnomalousVectors
from utad.scoring.gaussian import GaussianDistance


def normals(count: int, channels: int = 3, side: int = 4, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(channels, channels, generator=generator)
    return torch.einsum("dc,nchw->ndhw", mixing, torch.randn(count, channels, side, side, generator=generator))


def test_the_formula_against_numpy(monkeypatch):
    monkeypatch.setattr(gaussian, "PRIOR_IMAGES", 0)
    vectors, probe = normals(40), normals(2, seed=1)
    distances = GaussianDistance().fit(vectors)(probe)
    # 4 x 4 positions are blocks of their own: mean and covariance of every position by NumPy.
    mean = vectors.mean(dim=0).double().numpy()
    centred = vectors.double().numpy() - mean
    own = np.einsum("nchw,ndhw->hwcd", centred, centred) / 40
    shared = own.mean(axis=(0, 1))
    ridge = 1e-3 * np.trace(shared) / 3 + 1e-10
    for h, w in ((0, 0), (3, 1)):
        covariance = 0.4 * shared + 0.6 * own[h, w] + ridge * np.eye(3)
        difference = probe[:, :, h, w].double().numpy() - mean[:, h, w]
        squared = np.einsum("nc,cd,nd->n", difference, np.linalg.inv(covariance), difference) / 3
        np.testing.assert_allclose(distances[:, h, w].numpy(), np.sqrt(squared), rtol=1e-4)


@pytest.mark.parametrize("images", [1, 7])
def test_how_many_images_are_summed_at_a_time_does_not_matter(monkeypatch, images):
    vectors, positions = normals(40), torch.ones(4, 4, dtype=torch.bool)
    positions[0] = False
    expected = [GaussianDistance().fit(vectors, positions=counted).whitening for counted in (None, positions)]
    monkeypatch.setattr(gaussian, "SUMMED_VALUES", images * vectors[0].numel())
    for counted, whitening in zip((None, positions), expected, strict=True):
        torch.testing.assert_close(
            GaussianDistance().fit(vectors, positions=counted).whitening, whitening, rtol=1e-5, atol=1e-6
        )


def test_new_draws_of_the_same_distribution_are_at_a_distance_of_about_one():
    vectors = normals(400, 4, 8)
    distances = GaussianDistance().fit(vectors[:300])(vectors[300:])
    assert 0.9 < float(distances.square().mean()) < 1.2


def test_distance_grows_with_the_deviation():
    vectors = normals(60)
    distance = GaussianDistance().fit(vectors)
    deviation = torch.ones(3)[:, None, None]
    values = [float(distance(distance.mean[None] + k * deviation)[0, 1, 2]) for k in (0.0, 1.0, 2.0, 4.0)]
    assert values[0] == 0
    assert values == sorted(values)
    assert values[3] == pytest.approx(2 * values[2], rel=1e-5)


def test_a_position_of_its_own_is_told_from_the_others():
    vectors = 0.1 * normals(100, 2, 4)
    vectors[:, :, 0, 0] += 5
    distance = GaussianDistance().fit(vectors)
    swapped = vectors[:1].clone()
    swapped[:, :, 0, 0], swapped[:, :, 3, 3] = vectors[:1, :, 3, 3], vectors[:1, :, 0, 0]
    assert float(distance(swapped)[0, 3, 3]) > 5 * float(distance(vectors[:1])[0].max())


def test_order_of_images_does_not_matter():
    vectors = normals(50)
    one, other = GaussianDistance().fit(vectors), GaussianDistance().fit(vectors.flip(0))
    torch.testing.assert_close(one(vectors), other(vectors), rtol=1e-4, atol=1e-5)


def test_constant_features_give_finite_distances():
    distance = GaussianDistance().fit(torch.zeros(6, 3, 4, 4))
    assert torch.isfinite(distance(torch.rand(2, 3, 4, 4))).all()
    assert float(distance(torch.zeros(1, 3, 4, 4)).max()) == 0


def test_long_vectors_get_fewer_blocks(monkeypatch):
    monkeypatch.setattr(gaussian, "MAX_BLOCK_VALUES", 4 * 9)
    assert GaussianDistance().fit(normals(20)).whitening.shape == (4, 3, 3)
    monkeypatch.setattr(gaussian, "MAX_BLOCK_VALUES", 1)
    assert GaussianDistance().fit(normals(20)).whitening.shape == (1, 3, 3)


def test_state_can_be_loaded_into_a_fresh_distance():
    vectors = normals(30)
    distance = GaussianDistance().fit(vectors)
    fresh = GaussianDistance()
    with pytest.raises(NotFittedError):
        fresh(vectors)
    fresh.load_state_dict(distance.state_dict())
    assert torch.equal(fresh(vectors), distance(vectors))


def test_positions_that_do_not_count_are_not_learnt_from():
    vectors = normals(30, 3, 8)
    inside = torch.zeros(8, 8, dtype=torch.bool)
    inside[1:6, 2:5] = True
    junk = torch.where(inside, vectors, 50 * normals(30, 3, 8, seed=2))
    one, same = (GaussianDistance().fit(values, positions=inside) for values in (vectors, junk))
    torch.testing.assert_close(one(vectors)[:, inside], same(junk)[:, inside])
    everywhere = GaussianDistance().fit(vectors, positions=torch.ones(8, 8, dtype=torch.bool))
    torch.testing.assert_close(everywhere(vectors), GaussianDistance().fit(vectors)(vectors), rtol=1e-4, atol=1e-5)


def at(places: list[int]) -> TilePlaces:
    return TilePlaces(Layout(1, 3), torch.tensor(places))


def test_a_place_has_a_mean_of_its_own_shrunk_towards_that_of_all():
    vectors = normals(30)
    vectors[20:] += 5
    places = at([0] * 20 + [1] * 10)
    distance = GaussianDistance().fit(vectors, places=places)
    common = GaussianDistance().fit(vectors).mean
    assert distance.mean.shape == (4, 3, 4, 4)
    torch.testing.assert_close(distance.mean[1], (vectors[20:].sum(dim=0) + 8 * common) / 18)
    # Where nothing was seen, and where nobody knows the place, it is that of all.
    torch.testing.assert_close(distance.mean[2], common)
    torch.testing.assert_close(distance.mean[3], common)


def test_what_is_normal_at_another_place_is_far():
    vectors = 0.1 * normals(60)
    vectors[30:] += 5
    distance = GaussianDistance().fit(vectors, places=at([0] * 30 + [1] * 30))
    known, swapped = (distance(vectors[:4], torch.full((4,), place)) for place in (0, 1))
    assert float(swapped.mean()) > 3 * float(known.mean())
    torch.testing.assert_close(distance(vectors), distance(vectors, torch.full((60,), 3)))


@pytest.mark.parametrize("images", [1, 7])
def test_with_places_the_covariance_is_that_of_deviations_from_their_means(monkeypatch, images):
    vectors = normals(40)
    places = at([index % 2 for index in range(40)])
    vectors[1::2] += 5
    monkeypatch.setattr(gaussian, "SUMMED_VALUES", images * vectors[0].numel())
    distance = GaussianDistance().fit(vectors, places=places)
    deviations = vectors - distance.mean[places.of]
    own = torch.einsum("nchw,ndhw->hwcd", deviations.double(), deviations.double()).flatten(0, 1) / 40
    shared = own.mean(dim=0)
    ridge = 1e-3 * shared.diagonal().mean() * torch.eye(3, dtype=torch.float64)
    whitening = distance.whitening.double()
    identity = whitening @ (0.4 * shared + 0.6 * own + ridge) @ whitening.transpose(1, 2)
    torch.testing.assert_close(identity, torch.eye(3, dtype=torch.float64).expand(16, 3, 3), rtol=1e-3, atol=1e-3)


def test_an_anomaly_is_compared_with_the_mean_of_its_place():
    vectors = normals(60, 2)
    vectors[30:] += 5
    source, position = torch.tensor([3, 40, 50]), torch.tensor([0, 5, 9])
    of_anomalies = vectors.flatten(2).transpose(1, 2)[source, position] + 3
    places = at([0] * 30 + [1] * 30)
    anomalous = AnomalousVectors(of_anomalies, position, source).at_places(places.of)
    assert anomalous.place is not None
    assert anomalous.place.tolist() == [0, 1, 1]
    distance = GaussianDistance().fit(vectors, places=places)
    deviations = of_anomalies - torch.stack(
        [distance.mean[place, :, at // 4, at % 4] for place, at in ((0, 0), (1, 5), (1, 9))]
    )
    block = distance.whitening[position]  # 4 x 4 positions are blocks of their own
    expected = torch.einsum("kdc,kc->kd", block, deviations)
    found = distance._whitened(anomalous, distance.whitening, 4)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_a_distance_with_places_can_be_loaded():
    vectors, places = normals(30), at([index % 3 for index in range(30)])
    distance, fresh = GaussianDistance().fit(vectors, places=places), GaussianDistance()
    fresh.load_state_dict(distance.state_dict())
    assert torch.equal(fresh(vectors, places.of), distance(vectors, places.of))
