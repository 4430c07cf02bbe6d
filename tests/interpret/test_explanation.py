from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import PIL.Image
import pytest

from tests import fabricate
from tests.explained import NAMES, explanation
from utad.errors import InputError
from utad.interpret.explanation import NO_CODE, NOT_KEPT, explained
from utad.interpret.explanation_figure import COLUMNS, explanation_figure, title_of
from utad.interpret.normal_images import keep_images
from utad.interpret.score_scale import score_scale


def images_of_two():
    codes = np.array([[0, 0, 0], [1, 1, 1]], np.float32)
    pictures = [fabricate.picture(16, 16, seed=seed) for seed in range(2)]
    return keep_images(pictures, codes, ["a", "b"], max_bytes=10**6)


def test_an_engine_without_shares_is_told_what_to_do_instead():
    prediction = replace(explanation().prediction, shares={})
    with pytest.raises(InputError, match="utad explain RUN"):
        explained("x", fabricate.picture(), prediction, normal_scores=(), normal_images=None)


def test_why_there_are_no_neighbours_is_said():
    prediction, image = explanation().prediction, fabricate.picture()
    without = explained("x", image, prediction, normal_scores=(), normal_images=None)
    assert (without.neighbours, without.without_neighbours) == ((), NOT_KEPT)
    uncoded = replace(prediction, code=np.empty(0, np.float32))
    found = explained("x", image, uncoded, normal_scores=(), normal_images=images_of_two())
    assert (found.neighbours, found.without_neighbours) == ((), NO_CODE)
    none = explained("x", image, prediction, normal_scores=(), normal_images=images_of_two(), neighbours=0)
    assert none.neighbours == ()


def test_neighbours_are_the_nearest():
    found = explained(
        "x", fabricate.picture(), explanation().prediction, normal_scores=(), normal_images=images_of_two()
    )
    assert [neighbour.name for neighbour in found.neighbours] == ["a", "b"]
    assert found.without_neighbours == ""


def test_shares_are_sorted_and_normal_images_above_are_counted():
    made = explanation()
    assert list(made.shares) == ["input-near", "restored-whole"]
    assert made.normal_above == 0.0
    assert explanation(score=0.35).normal_above == pytest.approx(0.2)
    assert explanation(normal_scores=()).normal_above is None


@pytest.mark.parametrize("score", [-2.0, 0.1, 0.9, 40.0])
def test_the_scale_holds_normal_scores_and_thresholds_and_is_not_stretched_by_a_high_score(score):
    made = explanation(score=score)
    scale = score_scale(made)
    assert sum(scale.counts) == 10
    assert scale.low < min(-0.4, score)
    assert scale.high > 0.8
    assert (score > scale.high) == (score == 40.0)


def test_the_figure_has_the_pictures_the_components_and_the_neighbours():
    figure = explanation_figure(explanation())
    titles = [axis.get_title() for axis in figure.axes]
    assert titles[:COLUMNS] == [
        "image x",
        "anomaly map, mask",
        "impression m",
        "naive impression m̂",
        "reconstruction x̂",
    ]
    assert "input-near: +1.150" in titles
    assert "restored-whole: -0.250" in titles
    assert titles.count("distance 0.50") == 1
    outline = figure.axes[1].lines[0].get_xydata()
    assert outline.min(axis=0).tolist() == [11.5, 9.5]
    assert outline.max(axis=0).tolist() == [21.5, 19.5]


def test_names_are_no_formulas_and_long_ones_are_cut():
    assert "a $x_1$" in title_of(explanation("a $x_1$"))
    assert len(title_of(explanation("x" * 300))) < 140
    explanation_figure(explanation("$\\frac{")).savefig(io.BytesIO(), format="png")


def test_notebooks_show_the_figure():
    with PIL.Image.open(io.BytesIO(explanation(score=0.2)._repr_png_())) as picture:
        assert picture.format == "PNG"
        assert picture.width > 900


def test_large_images_are_drawn_from_fewer_pixels():
    tall = fabricate.picture(1400, 700)
    heat = np.linspace(0, 1, 1400 * 700, dtype=np.float32).reshape(1400, 700)
    prediction = replace(
        explanation().prediction,
        anomaly_map=heat,
        pred_mask=heat > 0.9,
        pictures=dict.fromkeys(NAMES, tall),
        component_maps=dict.fromkeys(("input-near", "restored-whole"), heat),
    )
    figure = explanation_figure(explanation(image=tall, prediction=prediction))
    assert all(axis.images[0].get_array().shape[:2] == (467, 234) for axis in figure.axes[:COLUMNS])
    assert figure.axes[1].images[0].get_extent() == [-0.5, 699.5, 1399.5, -0.5]
    assert figure.axes[1].lines[0].get_xydata()[:, 1].max() == 1399.5
