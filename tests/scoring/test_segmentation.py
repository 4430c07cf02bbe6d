from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from utad.config import MaskConfig
from utad.data.region_of_interest import lowest_outside
from utad.scoring.segmentation import draw_mask, segment

FIXED = MaskConfig(relative=False)


def test_equation_9_is_strict():
    assert segment(torch.tensor([0.4, 0.5, 0.6])).tolist() == [False, False, True]
    assert segment(torch.tensor([-1.0, 2.0]), alpha=2.0).tolist() == [False, False]


RELATIVE = MaskConfig()


def drawn(values, config=RELATIVE, *, anomalous=True):
    return draw_mask(np.array(values, np.float32), config, anomalous=anomalous).tolist()


def test_alpha_is_a_part_of_the_peak():
    assert drawn([[1.0, 3.0, 3.1, 6.0]]) == [[False, False, True, True]]
    assert drawn([[1.0, 3.0, 3.1, 6.0]], MaskConfig(alpha=0.1)) == [[True, True, True, True]]
    assert drawn([[0.1, 0.3, 0.2]]) == [[False, True, True]]


def test_a_fixed_limit_is_taken_as_it_is():
    assert drawn([[0.4, 0.6, 6.0]], FIXED) == [[False, True, True]]
    assert drawn([[0.1, 0.3, 0.3]], FIXED) == [[False, True, True]]  # nothing above: what is highest


def test_an_image_called_normal_has_no_mask():
    assert drawn([[0.1, 9.0]], anomalous=False) == [[False, False]]
    assert drawn([[0.1, 9.0]], FIXED, anomalous=False) == [[False, False]]


def test_small_regions_are_left_out_and_the_largest_stays():
    values = [[9.0, 0, 0, 8, 8], [0, 0, 0, 0, 8], [9.0, 9, 0, 0, 0]]
    assert drawn(values, MaskConfig(min_area=2)) == [
        [False, False, False, True, True],
        [False] * 4 + [True],
        [True] * 2 + [False] * 3,
    ]
    assert drawn([[9.0, 0, 0]], MaskConfig(min_area=50)) == [[True, False, False]]


@settings(max_examples=60, deadline=None)
@given(
    arrays(np.float32, (6, 7), elements=st.floats(-5, 50, width=32)),
    st.builds(
        MaskConfig,
        relative=st.booleans(),
        alpha=st.floats(0.05, 0.95),
        min_area=st.integers(1, 40),
    ),
)
def test_label_and_mask_agree_whatever_the_map(values, config):
    assert draw_mask(values, config, anomalous=True).any()
    assert not draw_mask(values, config, anomalous=False).any()


@pytest.mark.parametrize("alpha", [1.0, 1.5])
def test_a_part_of_the_peak_is_below_one(alpha):
    with pytest.raises(ValueError, match=r"mask.alpha is a part of the peak"):
        MaskConfig(alpha=alpha)
    assert MaskConfig(alpha=alpha, relative=False).alpha == alpha


@pytest.mark.parametrize("values", [[[5.0, 4.9, 4.8]], [[-1.0, -1.0, -1.0]], [[0.0, 0.2, 9.0]]])
def test_outside_a_region_there_is_never_a_mask(values):
    inside = np.array([[True, True, False]])
    for settings_ in (RELATIVE, FIXED):
        lowest = lowest_outside(np.array(values, np.float32), inside)
        mask = draw_mask(lowest, settings_, anomalous=True, inside=inside)
        assert mask.any()
        assert not mask[~inside].any()
