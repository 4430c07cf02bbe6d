from __future__ import annotations

import math

import numpy as np
import pytest

from utad.scoring.limits import upper_limit


def test_the_conformal_rank_by_hand():
    # 199 values, rate 5 %: rank ceil(200 * 0.95) = 190.
    values = np.arange(1.0, 200.0)
    assert upper_limit(values, 0.05) >= 190
    assert upper_limit(values, 0.5) == 100


def test_few_values_give_a_limit_beyond_the_largest():
    values = np.arange(10.0)
    limits = [upper_limit(values, rate) for rate in (0.1, 0.05, 0.01, 0.001)]
    assert limits == sorted(limits)
    assert limits[-1] > 9


@pytest.mark.parametrize("count", [60, 300, 3000])
def test_the_rate_is_kept_on_further_draws(count):
    rng = np.random.default_rng(count)
    rates = []
    for _ in range(60):
        limit = upper_limit(rng.standard_normal(count), 0.01)
        rates.append(0.5 * math.erfc(limit / math.sqrt(2)))
    assert sum(rates) / len(rates) < 0.013
    assert sum(rates) / len(rates) > 0.0005
