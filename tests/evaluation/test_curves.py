from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import auc, average_precision_score, roc_auc_score

from utad.evaluation.aupro import per_region_overlap
from utad.evaluation.curves import MOST_POINTS, Curve, per_region_curve, precision_recall, roc, thinned_curve
from utad.evaluation.metrics import PixelAccumulator


@pytest.mark.parametrize("n", [20, 30_000])
def test_the_areas_below_the_curves_are_the_metrics(n):
    rng = np.random.default_rng(0)
    labels = rng.random(n) < 0.3
    scores = rng.normal(0, 1, n) + 1.2 * labels
    for curve, area in (
        (roc(scores, labels), roc_auc_score(labels, scores)),
        (precision_recall(scores, labels), average_precision_score(labels, scores)),
    ):
        assert len(curve.x) <= MOST_POINTS
        assert (np.diff(curve.x) >= 0).all()
        assert auc(curve.x, curve.y) == pytest.approx(area, abs=2e-3)
        assert curve.x[-1] == 1


def test_perfect_scores_give_corners():
    curve = roc(np.array([0.1, 0.2, 0.8, 0.9]), np.array([False, False, True, True]))
    assert {(0.0, 0.0), (0.0, 1.0), (1.0, 1.0)} <= set(zip(curve.x.tolist(), curve.y.tolist(), strict=True))
    curve = precision_recall(np.array([0.1, 0.2, 0.8, 0.9]), np.array([False, False, True, True]))
    assert (curve.x[0], curve.y[0]) == (0.0, 1.0)


def test_the_area_below_pro_is_aupro():
    rng = np.random.default_rng(0)
    pixels = PixelAccumulator()
    for _ in range(4):
        truth = np.zeros((64, 64), bool)
        truth[10:20, 10:30] = truth[40:44, 50:54] = True
        pixels.update((rng.normal(0, 1, (64, 64)) + 2 * truth).astype(np.float32), truth, truth)
    counted = pixels.curves()
    curve = per_region_curve(counted)
    aupro = per_region_overlap(counted[0] / counted[0, -1], counted[2] / counted[2, -1])
    assert auc(curve.x, curve.y) / 0.3 == pytest.approx(aupro, abs=2e-3)
    assert (len(curve.x) <= MOST_POINTS, curve.x[0], curve.x[-1]) == (True, 0.0, pytest.approx(0.3))


def test_a_thinned_curve_lies_on_the_whole_one():
    x = np.linspace(0, 1, 100_000)
    thin = thinned_curve(Curve(x, np.sqrt(x)))
    assert len(thin.x) < MOST_POINTS
    assert np.abs(np.interp(x, thin.x, thin.y) - np.sqrt(x))[x > 1e-3].max() < 4e-3
