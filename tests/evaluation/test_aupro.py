from __future__ import annotations

import numpy as np
import pytest
from skimage.measure import label

from utad.evaluation.aupro import REGION_WEIGHT, per_region_overlap, region_weights
from utad.evaluation.metrics import PixelAccumulator


def aupro(maps, masks) -> float:
    accumulator = PixelAccumulator()
    for anomaly_map, mask in zip(maps, masks, strict=True):
        accumulator.update(anomaly_map.astype(np.float32), mask, mask)
    return accumulator.compute().aupro


def flat(maps) -> np.ndarray:
    return np.concatenate([m.ravel() for m in maps])


def two_regions() -> np.ndarray:
    mask = np.zeros((10, 12), bool)
    mask[0, 0:2] = True  # two pixels
    mask[5:7, 5:9] = True  # eight pixels
    return mask


def test_a_region_weighs_one_whatever_its_size():
    weights = region_weights(two_regions()) / REGION_WEIGHT
    assert weights[:2] == pytest.approx(1 / 2)
    assert weights[2:] == pytest.approx(1 / 8)
    assert weights.sum() == pytest.approx(2)


def test_pixels_that_touch_at_a_corner_are_one_region():
    mask = np.eye(3, dtype=bool)
    assert region_weights(mask).sum() / REGION_WEIGHT == pytest.approx(1)


def test_a_perfect_map_reaches_1():
    mask = two_regions()
    assert aupro([mask], [mask]) == pytest.approx(1.0)


def test_a_constant_map_is_a_straight_line():
    mask = two_regions()
    assert aupro([np.zeros(mask.shape)], [mask]) == pytest.approx(0.15)
    line = np.array([0.0, 1.0])
    assert per_region_overlap(line, line, max_fpr=0.3) == pytest.approx(0.15)
    assert per_region_overlap(line, line, max_fpr=1.0) == pytest.approx(0.5)


def test_closed_form_of_one_region_found_and_one_lost():
    # Of two regions one is found before any false pixel, the other after all: PRO is 1/2 throughout.
    mask = two_regions()
    scores = np.full(mask.shape, 1.0)
    scores[0, 0:2] = 2.0
    scores[5:7, 5:9] = 0.0
    # From (0, 1/2) all normal pixels come at once: the line to (1, 1/2).
    assert aupro([scores], [mask]) == pytest.approx(0.5)


def test_closed_form_of_a_step():
    # 100 normal pixels at 1..100 and a region of one pixel that 10 of them exceed: overlap 0 up to FPR 0.1, then 1.
    mask = np.zeros((1, 101), bool)
    mask[0, 100] = True
    scores = np.append(np.arange(1.0, 101.0), 90.5)[None]
    assert aupro([scores], [mask]) == pytest.approx((0.3 - 0.1) / 0.3)


@pytest.mark.parametrize("seed", range(4))
def test_against_a_slow_count_over_all_thresholds(seed):
    rng = np.random.default_rng(seed)
    masks = [two_regions(), two_regions()[::-1], np.zeros((10, 12), bool)]
    maps = [np.round(rng.normal(size=mask.shape) + mask, 1) for mask in masks]
    regions = [(label(mask, connectivity=2) == k) for mask in masks for k in (1, 2)]
    normal = ~flat(masks)
    curve = [(0.0, 0.0)]
    for threshold in np.unique(flat(maps))[::-1]:
        called = [m >= threshold for m in maps]
        shares = [(called[index][region].mean()) for index, region in ((i // 2, regions[i]) for i in range(4))]
        curve.append((float(flat(called)[normal].mean()), float(np.mean(shares))))
    x, y = np.array(curve).T
    grid = np.linspace(0, 0.3, 200_001)
    expected = np.trapezoid(np.interp(grid, x, y), grid) / 0.3
    assert aupro(maps, masks) == pytest.approx(expected, abs=2e-4)


def test_neither_order_nor_scale_matters():
    rng = np.random.default_rng(0)
    masks = [two_regions(), two_regions()[:, ::-1]]
    maps = [rng.normal(size=mask.shape) + mask for mask in masks]
    value = aupro(maps, masks)
    assert aupro(maps[::-1], masks[::-1]) == value
    assert aupro([np.exp(3 * m) for m in maps], masks) == pytest.approx(value, rel=1e-12)
