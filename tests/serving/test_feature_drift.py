from __future__ import annotations

import numpy as np
import pytest

from utad.serving.drift import LEAST, drift_between
from utad.serving.feature_drift import RecentFeatures, feature_drift_between

FEATURES = 40


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def means(rng, images: int, shift: float = 0.0, *, of: int = FEATURES) -> np.ndarray:
    """Means of features of images, of which the first `of` are shifted; each feature has a scale of its own."""
    values = rng.normal(size=(images, FEATURES))
    values[:, :of] += shift
    return (values * np.geomspace(0.01, 100, FEATURES) + 3).astype(np.float32)


def test_few_images_tell_nothing(rng):
    assert feature_drift_between(means(rng, LEAST - 1), means(rng, 500)) is None
    assert feature_drift_between(means(rng, 500), means(rng, LEAST - 1)) is None


def test_images_like_the_normal_ones_raise_no_alarm_however_many_features_are_looked_at(rng):
    found = [feature_drift_between(means(rng, 60), means(rng, 100)) for _ in range(100)]
    assert sum(drift.level > 0 for drift in found) <= 4
    # Of each feature by itself the same significance would have been reached by one that is looked for.
    alone = [
        max(drift_between(one, other).level for one, other in zip(means(rng, 60).T, means(rng, 100).T, strict=True))
        for _ in range(20)
    ]
    assert sum(level > 0 for level in alone) > 2


def test_a_shift_of_some_features_raises_an_alarm_and_says_how_many(rng):
    drift = feature_drift_between(means(rng, 300), means(rng, 300, 1.5, of=10))
    assert drift.level == 2
    assert drift.moved == pytest.approx(10 / FEATURES)
    assert drift.psi > 1.0
    assert 0.3 < drift.ks <= 1.0
    assert feature_drift_between(means(rng, 300), means(rng, 300, -1.5)).moved == 1.0


def test_the_measures_are_those_of_the_feature_that_moved_farthest(rng):
    normal, recent = means(rng, 100), means(rng, 100, 2.0, of=1)
    first = drift_between(normal[:, 0].tolist(), recent[:, 0].tolist())
    drift = feature_drift_between(normal, recent)
    assert (drift.psi, drift.ks) == (pytest.approx(first.psi), pytest.approx(first.ks))


def test_only_recent_images_count(rng):
    recent = RecentFeatures(means(rng, 200), 100)
    assert recent.drift() is None
    for one in means(rng, 100, 3.0):
        recent.add(one)
    assert recent.drift().level == 2
    assert recent.drift() is recent.drift()  # computed once
    for one in means(rng, 100):
        recent.add(one)
    assert recent.drift().level == 0
    assert recent.drift().moved == 0.0
