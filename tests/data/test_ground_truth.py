from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from utad.data.ground_truth import is_anomalous, truth_of
from utad.types import Sample

PIXELS = np.zeros((4, 6, 3), np.uint8)
MARK = np.zeros((4, 6), bool)
MARK[1, 1:3] = True
LEFT = np.zeros((4, 6), bool)
LEFT[:, :2] = True


def sample(anomalous: bool, mask=None) -> Sample:
    return Sample("part", PIXELS, anomalous, mask=mask)


@pytest.mark.parametrize(
    ("inside", "anomalous", "area", "outside"),
    [(None, True, 2, False), (LEFT, True, 1, False), (~LEFT, True, 1, False), (~LEFT & ~MARK, False, 0, True)],
)
def test_a_defect_counts_as_far_as_it_lies_inside(inside, anomalous, area, outside):
    truth = truth_of(sample(True, MARK), (4, 6), inside)
    assert (truth.anomalous, int(truth.mask.sum()), truth.outside) == (anomalous, area, outside)
    assert is_anomalous(sample(True, MARK), inside) == anomalous


def test_without_a_mask_the_label_stands():
    assert truth_of(sample(True), (4, 6), LEFT) == (True, None, False)
    normal = truth_of(sample(False), (4, 6), LEFT)
    assert (normal.anomalous, int(normal.mask.sum()), normal.outside) == (False, 0, False)


def test_masks_are_read_only_where_there_is_a_region():
    lacking = sample(True, Path("nowhere.png"))
    assert is_anomalous(lacking, None)
    assert not is_anomalous(sample(False, Path("nowhere.png")), LEFT)
