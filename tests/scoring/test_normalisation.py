from __future__ import annotations

import math

import pytest
import torch

from utad.errors import InputError
from utad.scoring.normalisation import Normalisation, ScoreNormalisation, fit_normalisation, gap


def test_location_becomes_zero_and_limit_one_half_and_nothing_is_clipped():
    normalisation = Normalisation(location=2.0, limit=4.0)
    assert normalisation.apply(torch.tensor([-6.0, 2.0, 4.0, 42.0])).tolist() == [-2.0, 0.0, 0.5, 10.0]


def test_order_does_not_matter():
    values = torch.rand(50, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert fit_normalisation(values, 0.01) == fit_normalisation(values.flip(0), 0.01)


def test_equal_scores_still_give_a_threshold_above_them():
    normalisation = fit_normalisation(torch.full((20,), 3.0), 0.01)
    assert float(normalisation.apply(torch.tensor(3.0, dtype=torch.float64))) < 0.5
    assert float(normalisation.apply(torch.tensor(3.1, dtype=torch.float64))) > 0.5


@pytest.mark.parametrize("raw", [torch.empty(0), torch.tensor([1.0, math.nan]), torch.tensor([math.inf])])
def test_refuses_what_is_not_finite(raw):
    with pytest.raises(InputError, match="finite"):
        fit_normalisation(raw, 0.01)


@pytest.mark.parametrize(
    ("of_trained", "of_held_out", "expected"),
    [([0.0, 1.0, 2.0], [3.0, 5.0, 70.0], 4.0), ([0.0, 1.0], [-4.0], 0.0), ([], [1.0], 0.0), ([1.0], [], 0.0)],
    ids=["higher", "lower", "none trained on", "none held out"],
)
def test_the_gap_is_that_of_the_medians_where_held_out_images_score_higher(of_trained, of_held_out, expected):
    assert gap(torch.tensor(of_trained), torch.tensor(of_held_out)) == expected


def test_scores_of_normal_images_are_kept_in_order():
    normalisation = ScoreNormalisation()
    normalisation.fit_images(torch.tensor([3.0, 1.0, 2.0]), 0.01)
    assert normalisation.normal.tolist() == [1.0, 2.0, 3.0]
    fresh = ScoreNormalisation()
    fresh.load_state_dict({**normalisation.state_dict(), "pixel": torch.zeros(2, dtype=torch.float64)})
    assert fresh.normal.tolist() == [1.0, 2.0, 3.0]
    assert fresh.of_image() == normalisation.of_image()


def test_shares_by_hand_add_up_to_the_normalised_score():
    normalisation = Normalisation(location=2.0, limit=4.0)
    parts = {"a": torch.tensor([4.0, 1.0]), "b": torch.tensor([2.0, 0.0])}
    score = normalisation.apply(torch.tensor([6.0, 1.0]))
    shares = normalisation.shares(parts, score)
    # 0.25 a unit, after one half of the location each.
    assert shares["a"].tolist() == pytest.approx([0.75, 0.0])
    assert shares["b"].tolist() == pytest.approx([0.25, -0.25])
    assert normalisation.shares({}, score) == {}


def test_shares_add_up_however_the_score_was_rounded():
    normalisation = Normalisation(location=0.1, limit=0.1003)
    parts = {str(index): torch.rand(50) for index in range(7)}
    score = normalisation.apply(torch.stack(list(parts.values())).sum(dim=0))
    shares = torch.stack(list(normalisation.shares(parts, score).values()))
    assert float(score.max()) > 1000
    torch.testing.assert_close(shares.sum(dim=0), score.double(), rtol=0, atol=1e-6)
