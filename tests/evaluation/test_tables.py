from __future__ import annotations

from utad.evaluation.tables import Row, comparison_table


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
