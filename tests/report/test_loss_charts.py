from __future__ import annotations

import numpy as np
import pytest

from tests.trained import curve, stage
from utad.report.loss_charts import HEIGHT, WIDTH, collapse_charts, last_value, loss_charts
from utad.training_record import Curve


def test_a_curve_lies_between_its_lowest_and_highest_value():
    one = Curve(np.array([0.0, 1.0]), np.array([3.0, 2.0]), np.array([2.0, 1.0]), np.array([4.0, 5.0]))
    (chart,) = loss_charts(stage("ie_net", {"loss": one}))
    assert (chart.bottom, chart.top, chart.logarithmic) == (1.0, 5.0, False)
    x = [WIDTH * (step + 0.5) / 20 for step in (0, 1)]
    assert chart.line == f"M{x[0]:.1f} {HEIGHT / 2:.1f}L{x[1]:.1f} {0.75 * HEIGHT:.1f}"
    band = [(x[0], 0.25), (x[1], 0.0), (x[1], 1.0), (x[0], 0.75)]
    assert chart.band == "M" + "L".join(f"{a:.1f} {b * HEIGHT:.1f}" for a, b in band) + "Z"


def test_a_curve_over_decades_is_logarithmic_and_one_of_equal_values_is_a_line():
    decades = Curve(*(np.array([[0.0, 9, 19], [100, 10, 1], [100, 10, 1], [100, 10, 1]])))
    (chart,) = loss_charts(stage("ie_net", {"loss": decades}))
    assert chart.logarithmic
    assert [float(part.split()[1]) for part in chart.line[1:].split("L")] == [0.0, HEIGHT / 2, HEIGHT]
    level = Curve(*(np.array([[0.0], [2.0], [2.0], [2.0]])))
    (chart,) = loss_charts(stage("ie_net", {"loss": level}))
    assert chart.line.count("L") == 1
    assert "nan" not in chart.line + chart.band


def test_the_last_value_is_the_mean_of_the_last_tenth():
    assert last_value(curve(0.0, 19.0)) == 18.5
    assert last_value(curve(3.0, 4.0, points=2)) == 4.0


@pytest.mark.parametrize(("spread", "collapsed"), [(0.4, False), (0.01, True)])
def test_a_latent_code_without_spread_has_collapsed(spread, collapsed):
    made = stage("ie_net", {"loss": curve(2, 1), "mu_std": curve(spread, spread), "sigma_mean": curve(1, 1)})
    charts = collapse_charts({"ie_net": made})
    assert [(chart.key, chart.collapsed) for chart in charts] == [
        ("ie_net.mu_std", collapsed),
        ("ie_net.sigma_mean", False),
    ]
    assert [chart.key for chart in loss_charts(made)] == ["ie_net.loss"]
