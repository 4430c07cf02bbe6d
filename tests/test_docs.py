from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
RENDER = runpy.run_path(str(ROOT / "docs" / "render.py"))


@pytest.mark.parametrize("name", list(RENDER["SECTIONS"]))
def test_pages_show_the_committed_results(name):
    page, text, rendered = RENDER["render"](ROOT, name)
    assert text == rendered, f"{page.name} differs from the committed results: run make docs"


def test_a_changed_result_is_noticed(tmp_path):
    for path in ("README.md", "benchmarks/results/end_to_end.json"):
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        text = (ROOT / path).read_text(encoding="utf-8")
        target.write_text(re.sub(r'"auroc": 0\.\d+', '"auroc": 0.123', text), encoding="utf-8")
    _, text, rendered = RENDER["render"](tmp_path, "end_to_end")
    assert text != rendered
    assert "0.123" in rendered


def test_links_in_the_pages_lead_somewhere():
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    broken = [
        f"{page.name}: {target}"
        for page in pages
        for target in re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert len(pages) > 5
    assert broken == []


def test_commands_in_the_readme_exist_with_their_options():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    used = re.findall(r"^utad +(\w+)(.*)$", text, flags=re.MULTILINE)
    assert {command for command, _ in used} >= {"train", "predict", "evaluate", "calibrate"}
    for command, rest in used:
        shown = subprocess.run(
            [sys.executable, "-c", "from utad.cli import main; main()", command, "--help"],
            capture_output=True,
            text=True,
            check=True,
            env={"COLUMNS": "200", "PATH": ""},
        ).stdout
        for option in re.findall(r"--[\w-]+", rest):
            assert option in shown, f"utad {command} has no {option}"


def speed_document() -> dict:
    part = {"median_ms": 6.0, "quartiles_ms": [5.5, 7.25], "n": 30}
    mode = {
        "multiply_adds_per_second": 5e10,
        "peak_memory_mb": 900.4,
        "parts": {
            "IE-Net": {**part, "multiply_adds": 150_000_000, "roofline_ms": 3.0, "ratio": 2.0},
            "resizing": {**part, "multiply_adds": 0, "roofline_ms": 0.0, "ratio": None},
        },
    }
    return {
        "machine": {"cores": 2, "processor": "Abacus"},
        "versions": {"torch": "9.9"},
        "commit": "0123456789abcdef",
        "threads": 2,
        "short": False,
        "presets": {"fast": {"scoring": {"1": mode}, "training": {**mode, "precision": "bf16-mixed", "batch": 8}}},
        "targets": [
            {"figure": "a", "target": "at most 40 ms", "measured": 41.234, "unit": "ms", "met": False},
            {"figure": "b", "target": "at most 2", "measured": 1.5, "unit": "", "met": True},
            {"figure": "c", "target": "at most 2 s", "measured": None, "unit": "s", "met": None},
        ],
    }


def test_parts_are_shown_with_their_roofline_where_they_have_one():
    lines = RENDER["speed_parts"](speed_document()).splitlines()
    assert lines[0].startswith("**`fast`, scoring, batch 1**: 50 billion multiply-adds per second")
    assert "| IE-Net | 6.00 | 5.50 to 7.25 | 30 | 150.0 | 3.00 | 2.00 |" in lines
    assert "| resizing | 6.00 | 5.50 to 7.25 | 30 | – | – | – |" in lines
    assert lines[-1] == "Threads: 2; 2 cores of an Abacus, PyTorch 9.9, commit 0123456789."


def test_targets_say_whether_they_are_met():
    lines = RENDER["targets"](speed_document()).splitlines()
    assert "| a | at most 40 ms | 41.23 ms | no |" in lines
    assert "| b | at most 2 | 1.5 | yes |" in lines
    assert "| c | at most 2 s | not measured | – |" in lines


def test_a_short_run_is_called_one():
    document = {**speed_document(), "short": True}
    assert "**A short run" in RENDER["targets"](document)


def test_exports_stand_below_the_detector_they_were_made_of():
    export = {"score": 2.34e-5, "score_median": 1e-6, "anomaly_map": 0.0, "labels_flipped": 0, "image_auroc": 0.95}
    brick = {"n_images": 150, "image_auroc": 0.9512, "exports": {"onnx-fp32": export, "openvino-int8": export}}
    lines = RENDER["parity"]({**speed_document(), "preset": "fast", "categories": {"brick": brick}}).splitlines()
    assert lines[2:5] == [
        "| brick, 150 | eager fp32 |  |  |  |  | 0.9512 |",
        "|  | ONNX fp32 | 2.3e-05 | 1e-06 | 0 | 0 | 0.9500 |",
        "|  | OpenVINO int8 | 2.3e-05 | 1e-06 | 0 | 0 | 0.9500 |",
    ]


def test_methods_of_other_libraries_are_sorted_and_failures_named():
    times = {"quartiles_ms": [1.0, 2.0], "n": 30}
    own = {"family": "utad", "preset": "fast", "runtime": "eager", "precision": "fp32"}
    document = {
        **speed_document(),
        "note": "Speed only.",
        "other_versions": {"anomalib": "2"},
        "methods": {"DRAEM": {**times, "median_ms": 2000.0}, "fast-eager-fp32": {**own, **times, "median_ms": 40.0}},
        "failures": {"STFPM": "OSError: no internet"},
    }
    lines = RENDER["other_libraries"](document).splitlines()
    assert lines[2] == "| utad `fast`, eager fp32 | 40.0 | 1.0 to 2.0 | 30 |"
    assert lines[3].startswith("| DRAEM | 2000.0 |")
    assert lines[-1] == "Failed: STFPM (OSError: no internet)."


def result(category: str, method: str, auroc: float) -> dict:
    values = {"image": {"auroc": auroc}, "false_positive_rate": 0.01, "ms_per_image": 5.0}
    cell = {"category": category, "method": method, "seed": 0}
    return {"cell": cell, "evaluation": values, "fit_seconds": 1.0, "peak_memory_mb": 100.0}


def test_a_comparison_marks_simplified_methods_and_says_where_their_list_is_from():
    document = {**speed_document(), "preset": "fast", "seeds": [0], "protocol": "p", "licence": "l", "failures": []}
    old = {**document, "cells": [result("brick", "utad", 0.9), result("brick", "unst", 0.8)]}
    page = RENDER["comparison"](old)
    assert "| brick | unst (simplified) |" in page
    assert "\n- unst (simplified): Bergmann et al., CVPR 2020; here" in page
    assert "these results are older than it" in page
    cells = [{**result("brick", "utad", 0.9), "departures": None}]
    assert "older than it" not in RENDER["comparison"]({**document, "cells": cells})
