from __future__ import annotations

import numpy as np
import pytest
import torch

from utad.data.tile_places import TilePlaces
from utad.data.tiling import Layout
from utad.errors import NotFittedError
from utad.scoring import standardisation
from utad.scoring.standardisation import Standardisation, top_k_means, top_k_parts


def maps(count: int = 30, side: int = 4, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    # Every position has a mean and a standard deviation of its own.
    centre = torch.arange(float(side * side)).reshape(side, side)
    return centre + (1 + centre / 4) * torch.randn(count, side, side, generator=generator)


def test_top_k_means_by_hand():
    values = torch.arange(100.0).reshape(1, 10, 10)
    assert top_k_means(values, (0.05, 1e-6, 1.0)).tolist() == [[97.0, 99.0, 49.5]]


def test_positions_are_standardised_by_their_own_mean_and_deviation(monkeypatch):
    monkeypatch.setattr(standardisation, "PRIOR_IMAGES", 0)
    values = maps()
    fitted = Standardisation((0.05, 0.5))
    fitted.fit(values)
    torch.testing.assert_close(fitted.mean, values.mean(dim=0))
    torch.testing.assert_close(fitted.deviation, values.std(dim=0, correction=0))
    standardised = fitted.of_map(values)
    torch.testing.assert_close(standardised.mean(dim=0), torch.zeros(4, 4), atol=1e-5, rtol=0)


@pytest.mark.parametrize("prior", [0, 8])
def test_each_normal_image_is_standardised_by_the_others(monkeypatch, prior):
    monkeypatch.setattr(standardisation, "PRIOR_IMAGES", prior)
    values = maps(12)
    standardised = Standardisation((0.05, 0.5)).fit(values).maps
    numbers = values.double().numpy()
    centre = numbers.mean()
    of_all = (numbers.sum(axis=0) + prior * centre) / (12 + prior)
    shared = ((numbers - of_all) ** 2).mean()
    for index in (0, 7):
        others = np.delete(numbers, index, axis=0)
        mean = (others.sum(axis=0) + prior * centre) / (11 + prior)
        # The prior's centre and variance are those of all images.
        about = ((others - mean) ** 2).sum(axis=0)
        if prior:
            moved = 12 * (of_all - mean) ** 2
            about = ((numbers - of_all) ** 2).sum(axis=0) + moved - (numbers[index] - mean) ** 2
        variance = (about + prior * shared) / (11 + prior)
        np.testing.assert_allclose(standardised[index], (numbers[index] - mean) / np.sqrt(variance), rtol=1e-4)


def test_scores_of_normal_images_have_mean_zero_and_deviation_one():
    scores = Standardisation((0.1,)).fit(maps(50)).scores
    assert float(scores.mean()) == pytest.approx(0, abs=1e-5)
    assert float(scores.std(correction=0)) == pytest.approx(1, abs=1e-5)


def test_the_score_is_the_mean_over_fractions():
    values = maps(50)
    alone = [Standardisation((fraction,)).fit(values).scores for fraction in (0.05, 0.5)]
    together = Standardisation((0.05, 0.5)).fit(values).scores
    torch.testing.assert_close(together, torch.stack(alone).mean(dim=0), rtol=1e-4, atol=1e-5)


def test_scores_on_another_scale_are_moved_and_stretched():
    values, fitted = maps(50), Standardisation((0.05, 0.5))
    before = fitted.fit(values).scores
    standardised = fitted.of_map(values)
    own = fitted.of_score(standardised)
    fitted.rescale_scores(2.0, 0.25)
    torch.testing.assert_close(fitted.of_score(standardised), (own - 2.0) / 0.25, rtol=1e-4, atol=1e-4)
    assert float(before.mean()) == pytest.approx(0, abs=1e-5)


def test_a_position_that_varies_much_needs_more_to_stand_out():
    fitted = Standardisation((0.05, 0.5))
    fitted.fit(maps(200))
    raised = fitted.mean + 3.0
    standardised = fitted.of_map(raised[None])[0]
    assert float(standardised[0, 0]) > 2 * float(standardised[3, 3])


def test_constant_maps_give_finite_values():
    fitted = Standardisation((0.05, 0.5))
    standardised = fitted.fit(torch.zeros(5, 4, 4))
    assert torch.equal(standardised.maps, torch.zeros(5, 4, 4))
    assert torch.isfinite(fitted.of_score(fitted.of_map(torch.ones(2, 4, 4)))).all()


def test_a_standardisation_that_was_not_fitted_says_so():
    with pytest.raises(NotFittedError):
        Standardisation((0.05, 0.5)).of_map(torch.zeros(1, 4, 4))


def test_parts_of_top_k_means_are_taken_where_the_sum_is_highest():
    first = torch.tensor([[[9.0, 0.0], [1.0, 2.0]]])
    second = torch.tensor([[[-9.0, 5.0], [1.0, 2.0]]])
    # The sum is 0, 5, 2, 4: the highest half of it is 5 and 4.
    parts = top_k_parts([first, second], (0.25, 0.5))
    assert parts[:, 0].tolist() == [[0.0, 1.0], [5.0, 3.5]]
    torch.testing.assert_close(parts.sum(dim=0), top_k_means(first + second, (0.25, 0.5)))


INSIDE = torch.tensor([[False, True, True, False]] * 3 + [[False] * 4])


def test_positions_that_do_not_count_have_no_part_in_any_statistic():
    values, junk = maps(20), maps(20)
    junk[:, ~INSIDE] = 1e3 * torch.randn(20, int((~INSIDE).sum()))
    fitted, other = (Standardisation((0.05, 0.5), regional=True) for _ in range(2))
    one, same = fitted.fit(values, INSIDE), other.fit(junk, INSIDE)
    assert torch.equal(one.maps, same.maps)
    assert torch.equal(one.scores, same.scores)
    for name in ("mean", "deviation", "of_images"):
        assert torch.equal(fitted.get_buffer(name), other.get_buffer(name))
    assert torch.equal(fitted.of_score(fitted.of_map(values)), fitted.of_score(fitted.of_map(junk)))


def test_the_statistics_of_positions_that_count_are_those_of_them_alone():
    values = maps(20)
    regional, alone = Standardisation((0.05, 0.5), regional=True), Standardisation((0.05, 0.5))
    regional.fit(values, INSIDE)
    expected = alone.fit(values[:, INSIDE][:, None])  # (20, 1, 6)
    torch.testing.assert_close(regional.of_images, alone.of_images)
    torch.testing.assert_close(regional.mean[INSIDE], alone.mean[0])
    torch.testing.assert_close(regional.of_map(values)[:, INSIDE], alone.of_map(values[:, INSIDE][:, None])[:, 0])
    torch.testing.assert_close(regional.fit(values, INSIDE).scores, expected.scores)


def test_outside_a_map_has_the_value_of_the_nearest_position_that_counts():
    fitted = Standardisation((0.5,), regional=True)
    fitted.fit(maps(20), INSIDE)
    found = fitted.of_map(maps(2, seed=1))
    assert torch.equal(found[:, :3, 0], found[:, :3, 1])
    assert torch.equal(found[:, :, 3], found[:, :, 2])
    assert torch.equal(found[:, 3], found[:, 2])


def test_a_regional_standardisation_is_loaded_with_its_positions():
    fitted, loaded = (Standardisation((0.5,), regional=True) for _ in range(2))
    fitted.fit(maps(20), INSIDE)
    loaded.load_state_dict(fitted.state_dict())
    assert torch.equal(loaded.of_map(maps(2)), fitted.of_map(maps(2)))
    assert list(Standardisation((0.5,)).state_dict()) == ["mean", "deviation", "of_images"]


def test_each_place_has_statistics_of_its_own():
    values, elsewhere = maps(40), maps(40, seed=1) + 100
    values[1::2] = 3 * values[1::2] + 7
    places = TilePlaces(Layout(1, 3), torch.arange(40) % 2)
    fitted, alone = Standardisation((0.1,)), [Standardisation((0.1,)) for _ in range(3)]
    found = fitted.fit(values, places=places, elsewhere=elsewhere)
    of_alone = [one.fit(part) for one, part in zip(alone, (values[::2], values[1::2], elsewhere), strict=True)]
    assert fitted.placed
    assert not alone[0].placed
    # Nothing was seen of the third place, which then has the statistics of no known one.
    for row, one in enumerate((*alone, alone[2])):
        torch.testing.assert_close(fitted.mean[row], one.mean)
        torch.testing.assert_close(fitted.deviation[row], one.deviation)
    torch.testing.assert_close(found.maps[::2], of_alone[0].maps)
    torch.testing.assert_close(found.maps[1::2], of_alone[1].maps)
    torch.testing.assert_close(
        fitted.of_map(values[:2], torch.tensor([0, 1])),
        torch.cat([alone[0].of_map(values[:1]), alone[1].of_map(values[1:2])]),
    )
    torch.testing.assert_close(fitted.of_map(elsewhere), alone[2].of_map(elsewhere))
    assert float(found.scores.mean()) == pytest.approx(0, abs=1e-5)
