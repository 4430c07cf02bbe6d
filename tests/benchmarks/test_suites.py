from __future__ import annotations

import suites
from suites import Comparison, Part
from utad.evaluation.benchmark import BenchmarkReport


def cell(method: str, commit: str, seed: int = 0) -> dict:
    return {"cell": {"method": method, "category": "brick", "seed": seed}, "commit": commit}


def test_methods_that_do_not_run_keep_their_committed_cells(monkeypatch, tmp_path):
    planned = []

    def run(plan, work, report):
        planned.append(([variant.name for variant in plan.variants], tuple(plan.seeds)))
        cells = [cell(variant.name, "new", seed) for variant in plan.variants for seed in plan.seeds]
        return BenchmarkReport({"suite": "textures", "cells": cells, "failures": [], "seeds": [*plan.seeds]}, "")

    monkeypatch.setattr(suites, "run_benchmark", run)
    comparison = Comparison("textures", (Part(("utad",)), Part(("padim",), (0, 1)), Part(("ae-l2",))))
    earlier = {"cells": [cell("utad", "old"), cell("padim", "old"), cell("ae-l2", "old")], "failures": []}

    document = comparison.run(tmp_path, earlier, ["utad", "padim"])
    assert planned == [(["utad"], (0,)), (["padim"], (0, 1))]
    kept = [(item["cell"]["method"], item["cell"]["seed"], item["commit"]) for item in document["cells"]]
    assert kept == [("utad", 0, "new"), ("padim", 0, "new"), ("padim", 1, "new"), ("ae-l2", 0, "old")]
    assert document["seeds"] == [0, 1]

    everything = comparison.run(tmp_path, earlier, None)
    assert {item["commit"] for item in everything["cells"]} == {"new"}
