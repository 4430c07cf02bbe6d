from __future__ import annotations

import numpy as np
import pytest
import torch

from utad.errors import NotFittedError
from utad.scoring import scale
from utad.scoring.scale import TermScale, top_means


def maps(count: int = 30, side: int = 4, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    # Every place has a mean and a spread of its own.
    centre = torch.arange(float(side * side)).reshape(side, side)
    return centre + (1 + centre / 4) * torch.randn(count, side, side, generator=generator)


def test_top_means_by_hand():
    values = torch.arange(100.0).reshape(1, 10, 10)
    assert top_means(values, (0.05, 1e-6, 1.0)).tolist() == [[97.0, 99.0, 49.5]]


def test_places_are_standardised_by_their_own_mean_and_spread(monkeypatch):
    monkeypatch.setattr(scale, "PRIOR_IMAGES", 0)
    values = maps()
    term_scale = TermScale((0.05, 0.5))
    term_scale.fit(values)
    torch.testing.assert_close(term_scale.location, values.mean(dim=0))
    torch.testing.assert_close(term_scale.spread, values.std(dim=0, correction=0))
    standardised = term_scale.of_map(values)
    torch.testing.assert_close(standardised.mean(dim=0), torch.zeros(4, 4), atol=1e-5, rtol=0)


@pytest.mark.parametrize("prior", [0, 8])
def test_each_normal_image_is_standardised_by_the_others(monkeypatch, prior):
    monkeypatch.setattr(scale, "PRIOR_IMAGES", prior)
    values = maps(12)
    standardised = TermScale((0.05, 0.5)).fit(values).maps
    numbers = values.double().numpy()
    centre = numbers.mean()
    location = (numbers.sum(axis=0) + prior * centre) / (12 + prior)
    shared = ((numbers - location) ** 2).mean()
    for index in (0, 7):
        others = np.delete(numbers, index, axis=0)
        mean = (others.sum(axis=0) + prior * centre) / (11 + prior)
        # The prior's centre and spread are those of all images.
        about = ((others - mean) ** 2).sum(axis=0)
        if prior:
            moved = 12 * (location - mean) ** 2
            about = ((numbers - location) ** 2).sum(axis=0) + moved - (numbers[index] - mean) ** 2
        variance = (about + prior * shared) / (11 + prior)
        np.testing.assert_allclose(standardised[index], (numbers[index] - mean) / np.sqrt(variance), rtol=1e-4)


def test_scores_of_normal_images_have_mean_zero_and_spread_one():
    scores = TermScale((0.1,)).fit(maps(50)).scores
    assert float(scores.mean()) == pytest.approx(0, abs=1e-5)
    assert float(scores.std(correction=0)) == pytest.approx(1, abs=1e-5)


def test_the_score_is_the_mean_over_fractions():
    values = maps(50)
    alone = [TermScale((fraction,)).fit(values).scores for fraction in (0.05, 0.5)]
    together = TermScale((0.05, 0.5)).fit(values).scores
    torch.testing.assert_close(together, torch.stack(alone).mean(dim=0), rtol=1e-4, atol=1e-5)


def test_a_place_that_varies_much_needs_more_to_stand_out():
    term_scale = TermScale((0.05, 0.5))
    term_scale.fit(maps(200))
    raised = term_scale.location + 3.0
    standardised = term_scale.of_map(raised[None])[0]
    assert float(standardised[0, 0]) > 2 * float(standardised[3, 3])


def test_constant_maps_give_finite_values():
    term_scale = TermScale((0.05, 0.5))
    fitted = term_scale.fit(torch.zeros(5, 4, 4))
    assert torch.equal(fitted.maps, torch.zeros(5, 4, 4))
    assert torch.isfinite(term_scale.of_score(term_scale.of_map(torch.ones(2, 4, 4)))).all()


def test_a_scale_that_was_not_fitted_says_so():
    with pytest.raises(NotFittedError):
        TermScale((0.05, 0.5)).of_map(torch.zeros(1, 4, 4))
