from __future__ import annotations

from measuring.comparison_tables import ahead

AUROC = {
    "utad": {"bottle": (0.9, 0.8), "tile": (0.7, 0.7)},
    "features of x alone": {"bottle": (0.8, 0.8), "tile": (0.8, 0.8)},
    "networks never trained": {"bottle": (0.9, 0.8), "tile": (0.6, 0.6)},
    "padim": {"bottle": (0.5, 0.5), "tile": (0.2, 0.2)},
    "patchcore": {"bottle": (0.4, 0.4), "tile": (0.5, 0.5)},
}


def document(anomalies, without=()):
    cells = [
        {
            "cell": {"category": category, "method": method, "seed": seed},
            "departures": None,
            "evaluation": {"image": {"auroc": auroc}},
        }
        for method, categories in AUROC.items()
        if method not in without
        for category, values in categories.items()
        for seed, auroc in enumerate(values)
    ]
    return {"anomalies": anomalies, "cells": cells}


def test_ahead_by_category_and_on_the_mean():
    found = ahead([document("real defects")])
    alone, untrained, rivals = found.split("Image AUROC of utad over ")[1:]
    assert alone.startswith("features of x alone:")
    assert "| bottle | features of x alone | +0.050 ± 0.071 |" in alone
    assert "**-0.025**" in alone  # the mean of +.05 and -.1
    assert "| tile | networks never trained | +0.100 ± 0.000 |" in untrained
    assert "| bottle | padim | +0.350 ± 0.071 |" in rivals  # the better of the two there
    assert "| tile | patchcore | +0.200 ± 0.000 |" in rivals
    assert "AUPRO" not in found  # none has masks


def test_results_that_lack_a_row_are_left_out():
    assert ahead([document("real defects", without=["networks never trained"])]) == ""


def test_kinds_of_anomaly_have_means_of_their_own():
    found = ahead([document("real defects"), document("synthetic defects")])
    assert "**real defects, mean**" in found
    assert "**synthetic defects, mean**" in found
