from __future__ import annotations

from dataclasses import replace

import suites
from suites import Comparison, Part
from utad.evaluation.benchmark import Benchmark, BenchmarkReport


def cell(method: str, commit: str, *, category: str = "brick", seed: int = 0) -> dict:
    return {"cell": {"method": method, "category": category, "seed": seed}, "commit": commit}


def test_methods_that_do_not_run_keep_their_committed_cells(monkeypatch, tmp_path):
    def run(plan: Benchmark, work, report):
        planned = replace(plan, categories=plan.categories or ("brick", "grass", "gravel")).cells()
        cells = [cell(one.method, "new", category=one.category, seed=one.seed) for one in planned]
        return BenchmarkReport({"suite": "textures", "cells": cells, "failures": [], "seeds": [*plan.seeds]}, "")

    monkeypatch.setattr(suites, "run_benchmark", run)
    brick, both = ("brick",), ("brick", "grass")
    comparison = Comparison(
        "textures", (Part(("utad",), categories=brick), Part(("padim",), (0, 1), brick), Part(("ae-l2",), (0,), both))
    )
    earlier = {"cells": [cell("utad", "old"), cell("padim", "old"), cell("padim", "old", seed=1), cell("ae-l2", "old")]}

    def found(again: list[str] | None) -> dict[tuple, str]:
        document = comparison.run(tmp_path, earlier, again)
        assert document["seeds"] == [0, 1]
        assert len(document["cells"]) == 5
        return {suites._key(item): item["commit"] for item in document["cells"]}

    # What is not committed yet runs, whatever is asked for.
    assert found(["utad"]) == {
        ("brick", "utad", 0): "new",
        ("brick", "padim", 0): "old",
        ("brick", "padim", 1): "old",
        ("brick", "ae-l2", 0): "old",
        ("grass", "ae-l2", 0): "new",
    }
    assert set(found(None).values()) == {"new"}
