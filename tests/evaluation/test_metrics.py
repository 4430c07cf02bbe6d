from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, f1_score, precision_recall_curve, roc_auc_score, roc_curve
from torchmetrics.functional.classification import binary_auroc, binary_average_precision, binary_jaccard_index

from utad.errors import DataError
from utad.evaluation.aupro import region_weights
from utad.evaluation.metrics import PixelAccumulator, image_metrics


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


def accumulated(maps, masks, pred_masks) -> PixelAccumulator:
    accumulator = PixelAccumulator()
    for image in zip(maps, masks, pred_masks, strict=True):
        accumulator.update(*image)
    return accumulator


def n_bins(accumulator) -> int:
    """Of the bins, those that hold pixels."""
    return accumulator.curves().shape[1] - 1


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
    found = accumulated(maps, masks, called).compute()
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


def blobs(count: int = 6, side: int = 200) -> list[np.ndarray]:
    """Masks with regions of many sizes; the first is of a normal image."""
    rng = np.random.default_rng(0)
    masks = [np.zeros((side, side), bool) for _ in range(count)]
    for mask in masks[1:]:
        for size in (1, 4, 15, 40):
            top, left = rng.integers(0, side - size, 2)
            mask[top : top + size, left : left + size] = True
    return masks


# Each gives a map whose anomalous pixels overlap with the normal ones; noise is normal, of the mask's size.
VALUES = {
    "normalised maps": lambda noise, mask: 0.2 * (noise + mask),
    "heavy ties": lambda noise, mask: np.maximum(np.round(2 * (noise + mask)), 0),
    "all but constant": lambda noise, mask: (noise + mask > 2).astype(float),
    "both signs around 0": lambda noise, mask: (noise + mask) ** 5 * np.where(noise > 1, 1e-3, 1),
    "60 orders of magnitude": lambda noise, mask: np.sign(noise) * np.exp(15 * np.abs(noise) + 10 * mask - 30),
    "3 orders of magnitude": lambda noise, mask: np.exp(noise + mask),
    "between 1 and 2": lambda noise, mask: 1 + 1 / (1 + np.exp(-noise - mask)),
}


@pytest.mark.parametrize("name", VALUES)
def test_pixel_metrics_are_within_1e_4_of_the_exact_ones(name):
    rng = np.random.default_rng(1)
    masks = blobs()
    maps = [VALUES[name](rng.normal(size=mask.shape), mask).astype(np.float32) for mask in masks]
    found = accumulated(maps, masks, masks).compute()
    scores, labels = np.ravel(maps), np.ravel(masks)
    assert found.auroc == pytest.approx(roc_auc_score(labels, scores), abs=1e-4)
    assert found.aupr == pytest.approx(average_precision_score(labels, scores), abs=1e-4)
    precision, recall, _ = precision_recall_curve(labels, scores)
    best = (2 * precision * recall / np.maximum(precision + recall, 1e-9)).max()
    assert found.f1_max == pytest.approx(best, abs=1e-4)
    assert found.iou_oracle == pytest.approx(best / (2 - best), abs=1e-4)
    weights = np.ones(labels.size)
    weights[labels] = np.concatenate([region_weights(mask) for mask in masks if mask.any()])
    x, y, _ = roc_curve(labels, scores, sample_weight=weights, drop_intermediate=False)
    x, y = np.append(x[x <= 0.3], 0.3), np.append(y[x <= 0.3], np.interp(0.3, x, y))
    assert found.aupro == pytest.approx(np.trapezoid(y, x) / 0.3, abs=1e-4)
    ranks = torch.from_numpy(np.unique(scores, return_inverse=True)[1] / len(scores))
    truth = torch.from_numpy(labels).long()
    assert found.auroc == pytest.approx(float(binary_auroc(ranks, truth)), abs=1e-4)
    assert found.aupr == pytest.approx(float(binary_average_precision(ranks, truth)), abs=1e-4)


def test_where_bins_are_too_wide_for_the_values_the_deviation_has_its_bound():
    rng = np.random.default_rng(4)
    masks = blobs()
    # Half the pixels lie between 1.0 and 1.00005, which is one bin.
    narrow, wide = (lambda m: 1 + 5e-5 * rng.beta(2 + m, 2)), (lambda m: 1 + 0.03 * rng.random(m.shape))
    maps = [np.where(rng.random(m.shape) < 0.5, narrow(m), wide(m)).astype(np.float32) for m in masks]
    accumulator = accumulated(maps, masks, masks)
    curves = accumulator.curves()
    normal, anomalous, _ = np.diff(curves) / curves[:, -1:]
    bound = (normal * anomalous).sum() / 2
    assert 1e-3 < abs(accumulator.compute().auroc - roc_auc_score(np.ravel(masks), np.ravel(maps))) < bound


def test_zeros_of_both_signs_tie():
    mask = np.array([[True, False]])
    assert accumulated([np.array([[0.0, -0.0]], np.float32)], [mask], [mask]).compute().auroc == 0.5


def test_the_order_of_images_changes_nothing():
    scores, labels = drawn(100, 1, levels=3)
    order = np.random.default_rng(0).permutation(100)
    assert image_metrics(scores, labels) == image_metrics(scores[order], labels[order])
    maps, masks, called = segmented(1)
    there = accumulated(maps, masks, called).compute()
    assert there == accumulated(maps[::-1], masks[::-1], called[::-1]).compute()


def test_the_order_of_images_changes_nothing_where_values_share_bins():
    rng = np.random.default_rng(2)
    masks = blobs()
    maps = [np.exp(3 * k * rng.normal(size=mask.shape) + mask).astype(np.float32) for k, mask in enumerate(masks)]
    there = accumulated(maps, masks, masks)
    for order in ([5, 4, 3, 2, 1, 0], [3, 0, 5, 1, 4, 2]):
        back = accumulated(*([images[k] for k in order] for images in (maps, masks, masks)))
        np.testing.assert_array_equal(back.curves(), there.curves())
        assert back.compute() == there.compute()


def test_memory_does_not_grow_with_the_number_of_images():
    rng = np.random.default_rng(3)
    mask = blobs(2)[1]
    accumulator = PixelAccumulator()
    held = []
    tracemalloc.start()
    for _ in range(30):
        anomaly_map = rng.random(mask.shape, dtype=np.float32)
        accumulator.update(anomaly_map, mask, anomaly_map > 0.5)
        held.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert held[-1] - held[1] < anomaly_map.nbytes


def test_memory_is_bounded_whatever_the_values():
    patterns = np.random.default_rng(6).integers(0, 1 << 32, (1500, 2000), dtype=np.uint32)
    floats = np.where((patterns >> 23) % 256 == 255, 0, patterns).view(np.float32)  # without NaN and infinities
    tracemalloc.start()
    accumulator = PixelAccumulator()
    accumulator.update(floats, floats > 1, floats > 1)
    assert n_bins(accumulator) > 2_000_000  # of 2^23, since there are 3 million values
    assert accumulator.compute().auroc == pytest.approx(1, abs=1e-6)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 500e6


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
    assert accumulated(maps[:1], masks[:1], called[:1]).compute() is None
    assert accumulated(maps[:1], [~masks[0]], called[:1]).compute() is None
    assert PixelAccumulator().compute() is None


def test_refuses_sizes_that_differ_and_scores_that_are_not_finite():
    maps, masks, called = segmented(0)
    with pytest.raises(DataError, match=r"image 1: map \(9, 9\), ground truth \(9, 8\)"):
        accumulated(maps, [masks[0], masks[1][:, :8], masks[2]], called)
    maps[2][0, 0] = np.inf
    with pytest.raises(DataError, match="finite"):
        accumulated(maps, masks, called)
    with pytest.raises(DataError, match="finite"):
        image_metrics(np.array([np.nan, 1.0]), np.array([True, False]))
