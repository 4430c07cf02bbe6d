from __future__ import annotations

import pytest

from measuring.targets import at_least, at_most, other_libraries_targets, parity_targets, preset_of, speed_targets


def results(**fast) -> dict:
    return {"presets": {"fast": fast}, "latency": {}, "start_up": {}}


def measured(rows: list[dict], words: str) -> dict:
    found = [row for row in rows if words in row["figure"]]
    assert len(found) == 1
    return found[0]


def test_what_was_not_measured_is_neither_met_nor_missed():
    rows = speed_targets(results())
    assert len(rows) == 11
    assert {row["met"] for row in rows} == {None}


def test_figures_are_taken_from_where_they_stand():
    document = results(
        training_run={"seconds": 200.0},
        folder={"images_per_second": 55.0},
        folder_torch={"images_per_second": 99.0},
        memory_growth={"ratio": 1.05},
        export_seconds={"median_s": 6.5},
    )
    document["latency"] = {"fast-default": {"median_ms": 9.5}, "fast-eager-fp32": {"median_ms": 41.0}}
    document["start_up"]["fast-default"] = {"median_s": 1.3}
    ratios = {"eager-fp32": 2.8, "onnx-fp32": 2.2, "default": 1.9, "openvino-bf16": 1.2}
    runtimes = {f"fast-{name}": {"ratio": ratio} for name, ratio in ratios.items()}
    document["batch_16"] = {"runtimes": runtimes | {"fast-er-default": {"ratio": 0.1}}}
    rows = speed_targets(document)
    expected = {
        "default route": (9.5, True),
        "eager PyTorch": (41.0, False),
        "folder of JPEG": (55.0, False),
        "whole process": (1.3, False),
        "training elpv": (200.0, True),
        "graph adds": (6.5, True),
        "arithmetic roofline, batch 16, its fastest fp32": (1.9, True),
        "arithmetic roofline, batch 16, eager": (2.8, False),
        "peak memory": (1.05, True),
    }
    for words, (value, met) in expected.items():
        row = measured([row for row in rows if "balanced" not in row["figure"]], words)
        assert (row["measured"], row["met"]) == (value, met), words


def test_the_preset_of_a_name_may_hold_a_hyphen():
    names = ("paper-small-default", "paper-small-eager-fp32", "fast-openvino-bf16")
    assert [preset_of(name) for name in names] == ["paper-small", "paper-small", "fast"]


def test_the_fastest_of_both_sides_are_compared():
    methods = {
        "fast-eager-fp32": {"family": "utad", "preset": "fast", "precision": "fp32", "median_ms": 40.0},
        "fast-default": {"family": "utad", "preset": "fast", "precision": "fp32", "median_ms": 20.0},
        "fast-openvino-bf16": {"family": "utad", "preset": "fast", "precision": "bf16", "median_ms": 10.0},
        "balanced-eager-fp32": {"family": "utad", "preset": "balanced", "precision": "fp32", "median_ms": 120.0},
        "PaDiM ResNet-18": {"family": "anomalib", "median_ms": 100.0},
        "STFPM ResNet-18": {"family": "anomalib", "median_ms": 50.0},
    }
    fast, balanced = other_libraries_targets({"methods": methods})
    assert (fast["measured"], fast["met"]) == (0.4, True)
    assert (balanced["measured"], balanced["met"]) == (1.2, False)


def test_another_library_that_failed_leaves_its_target_unmeasured():
    methods = {"fast-eager-fp32": {"family": "utad", "preset": "fast", "precision": "fp32", "median_ms": 40.0}}
    assert [row["met"] for row in other_libraries_targets({"methods": methods})] == [None, None]


def test_exports_are_judged_by_the_worst_category():
    def category(score: float, flipped: int) -> dict:
        exact = {"n_images": 150, "score": 1e-6, "labels_flipped": 0}
        worse = {"n_images": 150, "score": score, "labels_flipped": flipped}
        return {"exports": {"onnx-fp32": exact, "openvino-fp32": worse, "openvino-int8": worse}}

    rows = parity_targets({"categories": {"brick": category(2e-3, 0), "grass": category(5e-4, 1)}})
    assert [(row["measured"], row["met"]) for row in rows] == [(1e-6, True), (0, True), (2e-3, False), (1, False)]
    assert "of 300" in rows[1]["figure"]


def test_without_an_export_nothing_is_judged():
    assert [row["met"] for row in parity_targets({"categories": {}})] == [None] * 4


@pytest.mark.parametrize(("value", "met"), [(1.0, True), (2.0, True), (2.1, False), (None, None)])
def test_at_most(value, met):
    assert at_most("f", 2.0, value, "ms")["met"] is met


@pytest.mark.parametrize(("value", "met"), [(1.9, False), (2.0, True), (3.0, True), (None, None)])
def test_at_least(value, met):
    row = at_least("f", 2.0, value, "/s")
    assert (row["met"], row["target"]) == (met, "at least 2 /s")
