from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from utad.serving.drift import LEAST, RecentScores, drift_between, kolmogorov_smirnov, population_stability


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_kolmogorov_smirnov_is_that_of_scipy(rng):
    for shift in (0.0, 0.3, 5.0):
        one, other = rng.normal(size=70), rng.normal(shift, size=110)
        assert kolmogorov_smirnov(one, other) == pytest.approx(stats.ks_2samp(one, other).statistic)


def test_population_stability_by_hand():
    normal = np.arange(100.0)  # ten in each bin
    assert population_stability(normal, normal) == pytest.approx(0.0)
    half = np.arange(50.0)  # five bins of ten, five empty ones that count as half an image
    full, empty = 10 / 52.5, 0.5 / 52.5
    by_hand = 5 * (full - 0.1) * math.log(full / 0.1) + 5 * (empty - 0.1) * math.log(empty / 0.1)
    assert population_stability(normal, half) == pytest.approx(by_hand)


def test_few_scores_tell_nothing(rng):
    assert drift_between(rng.normal(size=LEAST - 1), rng.normal(size=500)) is None
    assert drift_between(rng.normal(size=500), rng.normal(size=LEAST - 1)) is None


def test_scores_of_one_distribution_raise_no_alarm(rng):
    levels = [drift_between(rng.normal(size=60), rng.normal(size=200)).level for _ in range(200)]
    assert sum(level > 0 for level in levels) <= 4
    assert 2 not in levels


def test_a_shift_raises_an_alarm(rng):
    normal = rng.normal(size=500)
    assert drift_between(normal, rng.normal(0.5, size=500)).level >= 1
    assert drift_between(normal, rng.normal(1.0, size=200)).level == 2
    assert drift_between(normal, rng.normal(0.0, 3.0, size=500)).level == 2


def test_only_recent_scores_count(rng):
    recent = RecentScores(rng.normal(size=200), 100)
    assert math.isnan(recent.flagged)
    assert recent.drift() is None
    for score in rng.normal(5.0, size=100):
        recent.add(score, flagged=True)
    assert recent.flagged == 1.0
    assert recent.drift().level == 2
    for score in rng.normal(size=100):
        recent.add(score, flagged=False)
    assert recent.flagged == 0.0
    assert recent.drift().level == 0
