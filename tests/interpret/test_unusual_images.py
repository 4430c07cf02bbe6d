from __future__ import annotations

import logging

import numpy as np
import pytest

from utad.fit_report import UnusualImage
from utad.interpret.unusual_images import MOST, SHOWN, count_outliers, unusual_images


def test_outliers_are_counted_though_they_hide_each_other():
    scores = np.sort(np.random.default_rng(0).normal(0, 1, 100))[::-1]
    assert count_outliers(scores) == 0
    assert count_outliers(np.concatenate([[30.0], scores])) == 1
    assert count_outliers(np.concatenate([[31.0, 30.5, 30.0], scores])) == 3


def test_more_than_a_few_are_no_outliers():
    kind = np.full(round(2 * MOST * 100), 30.0)
    scores = np.sort(np.concatenate([kind, np.random.default_rng(1).normal(0, 1, 100 - len(kind))]))[::-1]
    assert count_outliers(scores) == 0


@pytest.mark.parametrize("draw", [np.random.Generator.standard_normal, np.random.Generator.standard_exponential])
def test_images_that_are_as_they_should_be_seldom_make_outliers(draw):
    rng = np.random.default_rng(2)
    found = [count_outliers(np.sort(draw(rng, 120))[::-1]) > 0 for _ in range(200)]
    assert np.mean(found) < 0.1


@pytest.mark.parametrize("scores", [[], [1.0], [2.0, 1.0], [1.0] * 30])
def test_a_few_images_or_equal_ones_have_no_outliers(scores):
    assert count_outliers(np.array(scores)) == 0


def test_the_highest_come_first_and_what_was_not_measured_is_left_out():
    scores = np.array([0.1, np.nan, 0.5, -0.2, np.nan, 0.3, 0.0, 0.2])
    found = unusual_images([f"{index}.png" for index in range(8)], scores)
    assert [image.name for image in found] == ["2.png", "5.png", "7.png", "0.png", "6.png"]
    assert found[0] == UnusualImage("2.png", 0.5, outlier=False)
    assert len(found) == SHOWN


def test_outliers_are_named_and_all_of_them_reported(caplog):
    scores = np.concatenate([np.random.default_rng(3).normal(0, 0.2, 200), np.linspace(8.0, 8.6, 7)])
    with caplog.at_level(logging.WARNING, logger="utad"):
        found = unusual_images([f"{index}.png" for index in range(207)], scores)
    assert [image.name for image in found if image.outlier] == [f"{index}.png" for index in range(206, 199, -1)]
    (message,) = caplog.messages
    assert message.startswith("7 of the training images")
    assert "206.png (8.60)" in message
    assert "and 2 more" in message


def test_nothing_is_said_where_none_stands_out(caplog):
    with caplog.at_level(logging.WARNING, logger="utad"):
        unusual_images(["a", "b", "c"], np.array([0.1, 0.2, 0.3]))
    assert not caplog.messages
