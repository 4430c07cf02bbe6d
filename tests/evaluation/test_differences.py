from __future__ import annotations

import pytest

from utad.evaluation.differences import Difference, difference_table, differences, sign_test
from utad.evaluation.tables import Row

KEY = "image.auroc"


def rows() -> list[Row]:
    return [
        Row("a", "utad", {KEY: [0.9, 0.8]}),
        Row("a", "padim", {KEY: [0.7, 0.7]}),
        Row("a", "patchcore", {KEY: [0.9, 0.6]}),
        Row("b", "utad", {KEY: [0.5, 0.5]}),
        Row("b", "padim", {KEY: [0.6, 0.8, 0.9]}),
        Row("c", "utad", {KEY: [0.5]}),
        Row("d", "padim", {KEY: [0.5]}),
        Row("e", "utad", {"pixel.aupro": [0.5]}),
        Row("mean", "utad", {KEY: [0.7]}),
        Row("mean", "padim", {KEY: [0.6]}),
    ]


def test_each_category_is_compared_with_its_best_rival_seed_by_seed():
    found = differences(rows(), KEY, "utad", ("padim", "patchcore"))
    assert [(item.category, item.rival) for item in found] == [("a", "patchcore"), ("b", "padim")]
    assert found[0].values == pytest.approx((0.0, 0.2))
    # The third seed of the rival has no partner.
    assert found[1].values == pytest.approx((-0.1, -0.3))
    assert str(found[1]) == "-0.200 ± 0.141"
    assert str(Difference("a", "padim", (0.25,))) == "+0.250"


@pytest.mark.parametrize(
    ("signs", "expected"),
    [((1, 1, 1, 1, 1), 2 / 2**5), ((1, -1), 1.0), ((0, 0), 1.0), ((), 1.0), ((1, 1, 1, 1, 1, -1), 14 / 2**6)],
)
def test_the_sign_test_counts_categories_ahead_and_behind(signs, expected):
    found = [Difference(str(index), "padim", (0.1 * sign,)) for index, sign in enumerate(signs)]
    assert sign_test(found) == pytest.approx(expected)


def test_the_table_has_a_mean_for_every_group():
    one, two = Difference("a", "padim", (0.1,)), Difference("b", "patchcore", (-0.3,))
    lines = difference_table({"real defects": [one, two], "digits": [], "synthetic": [one]}).splitlines()
    assert lines[2:] == [
        "| a | padim | +0.100 |",
        "| b | patchcore | -0.300 |",
        "| **real defects, mean** | ahead on 1 of 2, sign test p = 1 | **-0.100** |",
        "| a | padim | +0.100 |",
        "| **synthetic, mean** | ahead on 1 of 1, sign test p = 1 | **+0.100** |",
    ]
