from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.explained import explanation
from utad.interpret.component_maps import compares, component_maps, middle_of_components
from utad.interpret.figures import coloured
from utad.scoring.components import COMPONENTS


def test_the_highest_share_comes_first_and_three_deviations_have_the_middle_colour():
    first, second = component_maps(explanation().prediction, 100)
    assert (first.name, first.share) == ("input-near", pytest.approx(1.15))
    # 3 x 2.0 = 6 deviations are twice the middle: 1 - 4^-1; 1.5 are half of it: 1 - 4^-0.25.
    assert float(first.level.max()) == pytest.approx(0.75)
    np.testing.assert_allclose(second.level, 1 - 4**-0.25, rtol=1e-5)


def test_a_component_of_the_map_alone_is_shown_with_no_share():
    prediction = explanation().prediction
    maps = {**prediction.component_maps, "input-detail": np.full((2, 2), 3.0, np.float32)}
    shown = {one.name: one for one in component_maps(replace(prediction, component_maps=maps), 100)}
    assert shown["input-detail"].share is None
    np.testing.assert_allclose(shown["input-detail"].level, 0.5, rtol=1e-5)
    assert sum(one.share or 0.0 for one in shown.values()) == pytest.approx(sum(prediction.shares.values()))


def test_pairs_of_equation_8_are_shown_by_their_own_highest():
    prediction = explanation().prediction
    maps = {"x - x_hat": np.array([[0.0, 0.2]], np.float32), "x - m": np.array([[0.4, 0.1]], np.float32)}
    paper = replace(prediction, component_maps=maps, shares={"x - x_hat": 0.5, "x - m": 0.4})
    assert middle_of_components(paper) == pytest.approx(0.2)
    by_name = {component.name: component.level for component in component_maps(paper, 100)}
    assert by_name["x - m"].max() == pytest.approx(0.75)
    assert by_name["x - x_hat"].max() == pytest.approx(0.5)


def test_every_component_says_what_it_compares():
    assert all(compares(name) for name in COMPONENTS)
    assert compares("x - x_hat") == "the image and its reconstruction"
    assert compares("mine") == ""


def test_the_threshold_has_one_colour():
    assert len({tuple(coloured(np.array([[0.5, other]], np.float32))[0, 0]) for other in (0.0, 0.7, 1.0)}) == 1
