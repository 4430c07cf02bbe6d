from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError, SkipTestWarning
from sklearn.metrics import make_scorer, roc_auc_score
from sklearn.model_selection import KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import check_estimator

from tests import fabricate
from tests.conftest import SHORTEST
from utad import UTAD
from utad.errors import ConfigError, InputError
from utad.integrations.sklearn import UTADDetector

GOOD = np.stack([fabricate.picture(seed=seed) for seed in range(12)])
BAD = np.stack([fabricate.defective(seed=seed) for seed in range(50, 54)])


@pytest.fixture(scope="module")
def fitted() -> UTADDetector:
    return UTADDetector(overrides=SHORTEST).fit(GOOD)


def test_the_checks_of_scikit_learn_that_need_no_table_of_features():
    # All others feed rows of numbers: it says itself that it leaves them out for what takes images.
    with pytest.warns(SkipTestWarning, match="Can't test estimator UTADDetector which requires input"):
        check_estimator(UTADDetector())


def test_scores_and_labels_are_those_of_the_detector_with_the_signs_of_scikit_learn(fitted):
    images = [*GOOD[:3], *BAD]
    own = fitted.detector_.predict(images)
    scores = fitted.score_samples(np.stack(images))
    assert scores.tolist() == pytest.approx([-prediction.pred_score for prediction in own])
    assert fitted.offset_ == -fitted.detector_.threshold
    np.testing.assert_allclose(fitted.decision_function(images), scores - fitted.offset_)
    labels = fitted.predict(images)
    assert labels.tolist() == [-1 if prediction.pred_label else 1 for prediction in own]
    assert scores[:3].mean() > scores[3:].mean()


def test_it_is_the_detector_with_these_settings(fitted):
    alone = UTAD("fast", overrides=SHORTEST, seed=0).fit(list(GOOD))
    assert fitted.score_samples(BAD).tolist() == [-one.pred_score for one in alone.predict(list(BAD))]


def test_paths_and_grey_arrays_are_images_too(tmp_path):
    paths = [fabricate.save(tmp_path / f"{index}.png", image) for index, image in enumerate(GOOD[:5])]
    by_path = UTADDetector(overrides=SHORTEST).fit(paths)
    assert by_path.score_samples(paths).tolist() == pytest.approx(by_path.score_samples(GOOD[:5]).tolist())
    grey = UTADDetector(overrides=SHORTEST).fit(GOOD[:5, :, :, 0])
    assert grey.predict(GOOD[:2, :, :, 0] / 255).shape == (2,)


def test_a_clone_has_the_settings_and_nothing_of_what_was_learnt(fitted):
    other = clone(fitted).set_params(seed=3)
    assert (other.get_params(), fitted.seed) == ({"preset": "fast", "overrides": SHORTEST, "seed": 3}, 0)
    with pytest.raises(NotFittedError):
        other.predict(GOOD)


def test_it_works_in_a_pipeline_and_under_cross_validation():
    images, labels = np.concatenate([GOOD[:8], BAD]), np.array([1] * 8 + [-1] * 4)
    halved = make_pipeline(FunctionTransformer(lambda images: images[:, ::2, ::2]), UTADDetector(overrides=SHORTEST))
    assert set(halved.fit(GOOD[:6]).predict(images).tolist()) <= {-1, 1}
    scorer = make_scorer(roc_auc_score, response_method="decision_function")
    found = cross_val_score(
        UTADDetector(overrides=SHORTEST), images, labels, cv=KFold(2, shuffle=True, random_state=0), scoring=scorer
    )
    assert found.shape == (2,)
    assert np.all((found >= 0) & (found <= 1))


def test_a_pickled_one_answers(fitted):
    again = pickle.loads(pickle.dumps(fitted))
    assert again.score_samples(BAD).tolist() == fitted.score_samples(BAD).tolist()


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (np.zeros((4, 10)), r"got an array of shape \(4, 10\), expected images"),
        ("folder", "got 'folder', expected an array of images"),
        (Path("a.png"), "expected an array of images"),
        (3, "expected an array of images"),
    ],
)
def test_what_is_no_set_of_images_is_refused(images, words):
    with pytest.raises(InputError, match=words):
        UTADDetector().fit(images)


def test_a_wrong_setting_shows_when_it_is_used():
    with pytest.raises(ConfigError, match="unknown key"):
        UTADDetector(overrides=("image.sise=3",)).fit(GOOD)
