from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom

from utad.report.threshold_worth import CONFIDENCE, threshold_worth


@pytest.mark.parametrize(("count", "above"), [(4, 0), (20, 0), (120, 1), (240, 2), (1000, 17)])
def test_a_higher_rate_would_seldom_have_left_so_few_above(count, above):
    scores = np.concatenate([np.zeros(count - above), np.ones(above)])
    found = threshold_worth(scores, 0.5, 0.01)
    assert found.n_above == above
    assert binom.cdf(above, count, found.at_most) == pytest.approx(1 - CONFIDENCE, rel=1e-6)


def test_none_of_twenty_is_at_most_14_percent_and_all_is_all():
    assert threshold_worth(np.zeros(20), 0.5, 0.01).at_most == pytest.approx(1 - 0.05 ** (1 / 20))
    assert threshold_worth(np.ones(3), 0.5, 0.01).at_most == 1.0


@pytest.mark.parametrize(("rate", "needed"), [(0.01, 99), (0.001, 999), (0.05, 19), (0.02, 49), (0.3, 3)])
def test_so_many_images_are_needed_as_the_conformal_rank_asks_for(rate, needed):
    for count in (needed - 1, needed):
        found = threshold_worth(np.zeros(count), 0.5, rate)
        assert found.needed == needed
        assert found.extrapolated == (math.ceil((count + 1) * (1 - rate)) > count) == (count < needed)
