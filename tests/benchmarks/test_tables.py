from __future__ import annotations

from measuring.tables import busy, small_install, speed_whole, table

ABOUT = {
    "machine": {"cores": 2, "processor": "Abacus"},
    "versions": {"torch": "9.9"},
    "commit": "0123456789abcdef",
    "threads": 2,
    "short": False,
}


def speed_document() -> dict:
    timed = {"median_ms": 9.5, "quartiles_ms": [9.0, 10.0]}
    folder = {"images": 1000, "images_per_second": 75.0, "range": [70.0, 80.0], "n": 3}
    return {
        **ABOUT,
        "presets": {"fast": {"folder": folder}},
        "latency": {"fast-default": timed, "fast-onnx-fp32": timed},
        "batch_16": {"multiply_adds_per_second": 2e11, "runtimes": {"fast-default": {**timed, "ratio": 1.5}}},
        "start_up": {name: {"median_s": 1.1, "range_s": [1.0, 1.25]} for name in ("fast-default", "fast-onnx-fp32")},
    }


def test_columns_with_a_colon_stand_on_the_right():
    assert table(["a", "b:"], [["x", "1"]]) == ["| a | b |", "| --- | ---: |", "| x | 1 |"]


def test_what_a_run_did_not_measure_is_left_out():
    lines = speed_whole(speed_document()).splitlines()
    assert lines[:2] == [
        "- `fast`, a folder of 1,000 JPEG: 75.0 images per second (70.0 to 80.0 in 3 runs).",
        "- The GEMM, in turns with the routes: 200 billion multiply-adds per second.",
    ]
    assert "| fast-default | 9.5 | 9.0 to 10.0 | 9.5 | 9.0 to 10.0 | 1.50 | 1.10 | 1.00 to 1.25 |" in lines
    assert "| fast-onnx-fp32 | 9.5 | 9.0 to 10.0 | – | – | – | 1.10 | 1.00 to 1.25 |" in lines


def test_what_a_run_measured_beyond_that_is_shown():
    document = speed_document()
    document["presets"]["fast"] |= {
        "folder_torch": {"images": 1000, "images_per_second": 25.0, "range": [20.0, 30.0], "n": 3},
        "export_seconds": {"median_s": 6.25, "range_s": [6.0, 7.0], "n": 3},
        "memory_growth": {"images": [100, 10_000], "peak_memory_mb": [900.0, 910.4]},
        "training_run": {"data": "elpv-mono", "images": 441, "seconds": 120.0},
    }
    assert speed_whole(document).splitlines()[1:5] == [
        "- `fast`, a folder of 1,000 JPEG, scored in PyTorch: 25.0 images per second (20.0 to 30.0 in 3 runs).",
        "- `fast`, what the graph adds to training: 6.2 s (6.0 to 7.0 in 3 runs).",
        "- `fast`, peak memory: 900 MB for 100 images, 910 MB for 10,000 images.",
        "- `fast`, training on elpv-mono, 441 images: 2.0 minutes.",
    ]


def test_an_earlier_version_is_a_column():
    document = speed_document()
    document["before"] = {
        "commit": "fedcba9876543210",
        "latency": {"fast-default": {"median_ms": 30.0}},
        "batch_16": {"fast-default": {"median_ms": 20.0}},
        "start_up": {"fast-default": {"median_s": 4.0}},
    }
    lines = speed_whole(document).splitlines()
    assert any("before (fedcba9876), one image, ms" in line for line in lines)
    assert any(line.startswith("| fast-default ") and line.endswith("| 30.0 | 20.0 | 4.00 |") for line in lines)
    assert any(line.startswith("| fast-onnx-fp32 ") and line.endswith("| – | – | – |") for line in lines)


def test_training_beside_busy_processes_has_a_section_of_its_own():
    timed = {"median_s": 30.0, "range_s": [29.0, 31.5], "n": 3, "ratio": 1.0}
    document = {**ABOUT, "command": "utad train brick", "variants": {"default": {"none": timed}}}
    lines = busy(document).splitlines()
    assert lines[0] == "## Beside another busy process"
    assert "| default | none | 30.0 | 29.0 to 31.5 | 1.00 |" in lines
    assert lines[-1] == "Threads: 2; 2 cores of an Abacus, PyTorch 9.9, commit 0123456789."


def test_installations_without_pytorch_stand_beside_the_whole_one():
    document = {
        "installed": {
            "none": {"packages": 30, "megabytes": 540, "largest": {"openvino": 180, "scipy": 80}},
            "serve": {"packages": 40, "megabytes": 560, "largest": {}},
        },
        "whole_megabytes": 6000,
        "images": 3,
        "largest_difference": 0.0,
        "peak_memory_mb": 300,
        "commands": {
            "utad predict": {"exit_code": 0, "error": None},
            "utad train": {"exit_code": 1, "error": "error: torch is needed"},
        },
        "commit": "0123456789abcdef",
    }
    lines = small_install(document).splitlines()
    assert lines[2:5] == [
        "| `utad` | 30 | 540 |",
        "| `utad[serve]` | 40 | 560 |",
        "| `.[dev]`, everything | – | 6000 |",
    ]
    assert "The largest in `utad`: openvino 180 MB, scipy 80 MB." in lines[6]
    assert "| `utad predict` | 0 | – |" in lines
    assert "| `utad train` | 1 | error: torch is needed |" in lines
