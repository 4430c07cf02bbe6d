from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score
from torchmetrics.functional.classification import binary_auroc, binary_average_precision, binary_jaccard_index

from utad.errors import DataError
from utad.evaluation.metrics import image_metrics, pixel_metrics


def drawn(count: int, seed: int, *, levels: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.random(count) < 0.3
    scores = rng.normal(size=count) + labels
    return (np.round(scores * levels) / levels if levels else scores), labels


def segmented(seed: int, sizes=((12, 15), (9, 9), (20, 8))):
    rng = np.random.default_rng(seed)
    masks = [np.zeros(size, bool) for size in sizes]
    for mask in masks[1:]:
        mask[2:5, 3:7] = True
    maps = [(rng.normal(size=mask.shape) + 1.5 * mask).astype(np.float32) for mask in masks]
    return maps, masks, [anomaly_map > 1 for anomaly_map in maps]


@pytest.mark.parametrize("levels", [None, 2, 1])
@pytest.mark.parametrize("seed", range(3))
def test_image_metrics_agree_with_scikit_learn_and_torchmetrics(seed, levels):
    scores, labels = drawn(200, seed, levels=levels)
    found = image_metrics(scores, labels)
    assert found.auroc == pytest.approx(roc_auc_score(labels, scores))
    assert found.aupr == pytest.approx(average_precision_score(labels, scores))
    best = max(f1_score(labels, scores >= threshold) for threshold in np.unique(scores))
    assert found.f1_max == pytest.approx(best)
    # torchmetrics puts scores outside of [0, 1] through a sigmoid, which rounds: ranks are what counts.
    ranks = torch.from_numpy(np.unique(scores, return_inverse=True)[1] / len(scores))
    truth = torch.from_numpy(labels).long()
    assert found.auroc == pytest.approx(float(binary_auroc(ranks, truth)), abs=1e-5)
    assert found.aupr == pytest.approx(float(binary_average_precision(ranks, truth)), abs=1e-5)


def test_pixel_metrics_agree_with_scikit_learn_and_with_counting():
    maps, masks, called = segmented(0)
    found = pixel_metrics(maps, masks, called)
    scores = np.concatenate([m.ravel() for m in maps])
    labels = np.concatenate([m.ravel() for m in masks])
    assert found.auroc == pytest.approx(roc_auc_score(labels, scores))
    assert found.aupr == pytest.approx(average_precision_score(labels, scores))
    both = sum(int((c & m).sum()) for c, m in zip(called, masks, strict=True))
    either = sum(int((c | m).sum()) for c, m in zip(called, masks, strict=True))
    assert found.iou == pytest.approx(both / either)
    pixels = torch.from_numpy(np.concatenate([c.ravel() for c in called])).long()
    assert found.iou == pytest.approx(float(binary_jaccard_index(pixels, torch.from_numpy(labels).long())), abs=1e-6)
    oracle = max(
        ((scores >= threshold) & labels).sum() / ((scores >= threshold) | labels).sum() for threshold in scores
    )
    assert found.iou_oracle == pytest.approx(oracle)
    assert found.f1_max == pytest.approx(2 * oracle / (1 + oracle))


def test_the_order_of_images_changes_nothing():
    scores, labels = drawn(100, 1, levels=3)
    order = np.random.default_rng(0).permutation(100)
    assert image_metrics(scores, labels) == image_metrics(scores[order], labels[order])
    maps, masks, called = segmented(1)
    there = pixel_metrics(maps, masks, called)
    back = pixel_metrics(maps[::-1], masks[::-1], called[::-1])
    assert vars(back) == pytest.approx(vars(there), rel=1e-12)


def test_scores_are_not_clipped():
    # Clamped to [0, 1], all of these would tie and give 0.5.
    scores = np.array([1e6, 2e6, 3e6, 4e6])
    assert image_metrics(scores, np.array([False, False, True, True])).auroc == 1.0
    assert image_metrics(-scores, np.array([False, False, True, True])).auroc == 0.0


def test_a_constant_score_knows_nothing():
    found = image_metrics(np.ones(10), np.arange(10) < 3)
    assert (found.auroc, found.aupr) == (0.5, 0.3)
    assert found.f1_max == pytest.approx(2 * 3 / (10 + 3))


def test_what_cannot_be_measured_is_absent():
    assert image_metrics(np.ones(3), np.zeros(3, bool)) is None
    assert image_metrics(np.ones(3), np.ones(3, bool)) is None
    maps, masks, called = segmented(0)
    assert pixel_metrics(maps[:1], masks[:1], called[:1]) is None
    assert pixel_metrics([], [], []) is None


def test_refuses_sizes_that_differ_and_scores_that_are_not_finite():
    maps, masks, called = segmented(0)
    with pytest.raises(DataError, match=r"image 1: map \(9, 9\), ground truth \(9, 8\)"):
        pixel_metrics(maps, [masks[0], masks[1][:, :8], masks[2]], called)
    with pytest.raises(DataError, match="finite"):
        image_metrics(np.array([np.nan, 1.0]), np.array([True, False]))
