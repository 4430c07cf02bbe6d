from __future__ import annotations

import json

import pytest

import suites
from utad.evaluation.benchmark import Benchmark, BenchmarkReport
from utad.evaluation.variant import Variant


@pytest.fixture
def plans(monkeypatch):
    """What would have been run, and where."""
    found: list[tuple[Benchmark, str]] = []

    def run(plan, work, report, jobs):
        found.append((plan, work.relative_to(work.parents[1]).as_posix()))
        return BenchmarkReport({"suite": plan.suite.name, "cells": []}, "", "")

    monkeypatch.setattr(suites, "run_benchmark", run)
    monkeypatch.setattr(suites, "commit", lambda: 40 * "a")
    return found


def test_every_method_has_the_same_seeds_and_images(plans, tmp_path):
    arguments = ["--real-root", str(tmp_path / "data"), "--work", str(tmp_path), "--output", str(tmp_path)]
    assert suites.main(arguments) == 0
    assert {tuple(plan.seeds) for plan, _ in plans} == {(0, 1, 2)}
    assert [place for _, place in plans] == [f"aaaaaaaaaa/{name}" for name in suites.COMPARISONS]
    roots = {plan.suite.name: plan.root for plan, _ in plans}
    assert roots == {"real": tmp_path / "data", "elpv": None, "mnist-5k": None, "textures": None}
    for name in suites.COMPARISONS:
        assert json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8"))


def test_the_rows_that_may_never_be_missing():
    for name in ("real", "elpv", "mnist-5k", "textures", "measurement-textures"):
        variants = {variant.name for variant in suites.COMPARISONS[name].variants}
        assert variants >= {"features of x alone", "restoration alone", "networks never trained"}
        assert "default" not in variants
    assert suites.COMPARISONS["real"].variants[0] == Variant("utad", "utad", ("scoring.method=calibrated",))


def test_some_variants_first(plans, tmp_path):
    arguments = ["textures", "--work", str(tmp_path), "--output", str(tmp_path / "results")]
    assert suites.main([*arguments, "--only", "utad,features of x alone"]) == 0
    ((plan, _),) = plans
    assert [variant.name for variant in plan.variants] == ["utad", "features of x alone"]
    assert plan.share_training
    assert not (tmp_path / "results").exists()


def test_tables_without_some_variants(plans, tmp_path):
    arguments = ["textures", "--work", str(tmp_path), "--output", str(tmp_path / "results")]
    assert suites.main([*arguments, "--without", "efficientad-s,ae-l2"]) == 0
    ((plan, _),) = plans
    every = [variant.name for variant in suites.COMPARISONS["textures"].variants]
    assert [variant.name for variant in plan.variants] == [name for name in every if name not in suites.COMPARED[2:]]
    assert (tmp_path / "results" / "textures.json").is_file()


def test_results_do_not_say_where_the_data_lies():
    cell = {"suite": "real", "dataset": "/data/real", "category": "bottle", "root": "/data/real"}
    installed = {"suite": "textures", "dataset": "textures", "category": "brick", "root": None}
    document = {"commit": "a", "cells": [{"cell": cell, "fit_seconds": 1.0}, {"cell": installed}]}
    found = suites.portable(document)
    assert found["cells"][0] == {"cell": {**cell, "dataset": "real", "root": None}, "fit_seconds": 1.0}
    assert found["cells"][1] == {"cell": installed}
    assert (found["commit"], cell["root"]) == ("a", "/data/real")


@pytest.mark.parametrize(("at", "words"), [(40 * "a" + "-dirty", "commit your changes"), (None, "name one commit")])
def test_tables_of_changed_code_are_refused(plans, monkeypatch, capsys, at, words):
    monkeypatch.setattr(suites, "commit", lambda: at)
    with pytest.raises(SystemExit):
        suites.main(["textures"])
    assert words in capsys.readouterr().err
    assert plans == []


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["bricks"], "unknown comparison bricks"),
        (["real"], "--real-root"),
        (["textures", "--only", "utad,gan"], "unknown variant gan: choose from "),
        (["textures", "--without", "gan"], "unknown variant gan: choose from "),
    ],
)
def test_refuses(plans, capsys, names, words):
    with pytest.raises(SystemExit):
        suites.main(names)
    assert words in capsys.readouterr().err
    assert plans == []
