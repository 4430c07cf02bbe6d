from __future__ import annotations

from utad.baselines.departures import Departures
from utad.evaluation.tables import Row, comparison_table, with_departures

SOURCE = Departures(source="B et al., 2020", changes=("one scale instead of three",), source_steps="70000", steps="250")
PLAIN = Departures(source="C et al., 2021", changes=("other features",), source_steps="", label="")


def test_best_is_bold_and_second_underlined_by_mean():
    rows = [
        Row("bottle", "a", {"image.auroc": [0.9], "recall": [0.5]}),
        Row("bottle", "b", {"image.auroc": [0.95]}),
        Row("bottle", "c", {"image.auroc": [0.8]}),
        Row("cable", "a", {"image.auroc": [0.7]}),
    ]
    assert comparison_table(rows).splitlines() == [
        "| category | method | image AUROC | recall |",
        "| --- | --- | ---: | ---: |",
        "| bottle | a | <u>0.900</u> | 50.0 % |",
        "| bottle | b | **0.950** | – |",
        "| bottle | c | 0.800 | – |",
        "| cable | a | 0.700 | – |",
    ]


def test_seeds_give_mean_and_standard_deviation():
    table = comparison_table([Row("x", "a", {"image.auroc": [0.8, 0.9], "fit_seconds": [10, 20]})])
    assert table.splitlines()[-1] == "| x | a | 0.850 ± 0.071 | 15 |"


def test_what_looks_equal_is_marked_alike():
    rows = [Row("x", name, {"image.auroc": [value]}) for name, value in (("a", 0.90004), ("b", 0.89996), ("c", 0.5))]
    lines = comparison_table(rows).splitlines()
    assert lines[2].count("**") == lines[3].count("**") == 2
    assert "**" not in lines[4]


def test_simplified_methods_are_marked_and_what_they_leave_out_stands_below():
    values = {"image.auroc": [0.9]}
    rows = [
        Row("bottle", "utad", values),
        Row("bottle", "students", values, SOURCE),
        Row("bottle", "statistics", values, PLAIN),
        Row("cable", "students", values, SOURCE),
    ]
    assert comparison_table(rows).splitlines()[2:] == [
        "| bottle | utad | 0.900 |",
        "| bottle | students (simplified) | 0.900 |",
        "| bottle | statistics | 0.900 |",
        "| cable | students (simplified) | 0.900 |",
        "",
        "What the methods here leave out of their sources:",
        "",
        "- students (simplified): B et al., 2020; here one scale instead of three. Steps here: 250. Steps of the "
        "source: 70000.",
        "- statistics: C et al., 2021; here other features.",
    ]


def test_methods_that_leave_out_the_same_share_an_item():
    rows = [Row("x", name, {}, SOURCE) for name in ("AE-64", "AE-128")]
    assert (
        with_departures("table", rows)
        .splitlines()[-1]
        .startswith("- AE-64 (simplified), AE-128 (simplified): B et al.")
    )
    assert with_departures("table", [Row("x", "utad", {})]) == "table"
