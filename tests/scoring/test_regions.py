from __future__ import annotations

import numpy as np

from utad.scoring.regions import find_regions, without_small

MASK = np.array(
    [
        [1, 1, 0, 0, 0],
        [1, 0, 0, 0, 1],
        [0, 1, 0, 0, 1],
    ],
    bool,
)


def test_regions_by_hand():
    heat = np.arange(15, dtype=np.float32).reshape(3, 5)
    first, second = find_regions(MASK, heat)
    # The right one has the higher peak and comes first; pixels that touch by a corner are one region.
    assert (first.box, first.area, first.centroid, first.peak, first.mean) == ((4, 1, 5, 3), 2, (4.0, 1.5), 14.0, 11.5)
    assert (second.box, second.area, second.peak) == ((0, 0, 2, 3), 4, 11.0)
    assert second.centroid == (0.5, 0.75)
    assert second.as_dict() == {
        "box": [0, 0, 2, 3],
        "area": 4,
        "centroid": [0.5, 0.75],
        "peak": 11.0,
        "mean": (0 + 1 + 5 + 11) / 4,
    }


def test_no_mask_has_no_region():
    assert find_regions(np.zeros((3, 4), bool), np.ones((3, 4), np.float32)) == ()


def test_what_is_small_goes_but_never_everything():
    assert np.array_equal(without_small(MASK, 1), MASK)
    assert without_small(MASK, 3).sum() == 4
    assert without_small(MASK, 100).sum() == 4
    assert not without_small(np.zeros((2, 2), bool), 3).any()
