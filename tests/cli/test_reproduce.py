"""`utad reproduce`: what it says beforehand, what it leaves, and how it fails."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from tests import fabricate
from utad.cli.app import app
from utad.errors import DatasetError
from utad.evaluation import reproduction
from utad.evaluation.studies import STUDIES, Study
from utad.evaluation.variant import Variant


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Hazelnuts, and Table 4 with one small auto-encoder."""
    whole = STUDIES["ablation-capacity"]
    variants = (Variant("AE-4", "ae-l2", ("width=4", "size=32", "steps=2")),)
    small = Study(whole.name, whole.suite, lambda _: variants, whole.columns, whole.paper, whole.note)
    monkeypatch.setattr(reproduction, "study_named", lambda name: small if name == small.name else STUDIES[name])
    monkeypatch.setattr(reproduction, "PARTS", [part for part in reproduction.PARTS if part.table == 4])
    fabricate.mvtec_category(tmp_path / "data" / "mvtec" / "hazelnut")
    return tmp_path / "data"


def reproduce(*arguments: object):
    return CliRunner().invoke(app, ["reproduce", *map(str, arguments)])


def test_it_says_how_long_it_will_take_and_leaves_tables_and_pages(root, tmp_path):
    result = reproduce("--root", root, "--output", tmp_path / "out", "--jobs", 0)
    assert result.exit_code == 0, result.output
    said = result.stderr.splitlines()
    assert said[0].startswith("table 4, ablation-capacity on mvtec: 1 cell, roughly ")
    assert said[1].startswith("all: roughly ")
    assert said[2].startswith("1/1 hazelnut AE-4 0: done")
    assert len(said) == 3
    assert result.stdout.startswith("# The paper's tables")
    assert result.stdout.splitlines()[-1] == str(tmp_path / "out" / "reproduction.md")
    page = (tmp_path / "out" / "table-4" / "ablation-capacity-mvtec" / "report.html").read_text(encoding="utf-8")
    assert "AE-4" in page


def test_the_estimate_alone_writes_nothing(root, tmp_path):
    result = reproduce("--root", root, "--output", tmp_path / "out", "--estimate", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["seconds"]["table-4/ablation-capacity-mvtec"] > 0
    assert found["left_out"] == []
    assert not (tmp_path / "out").exists()


def test_a_wrong_setting_is_named_before_anything_runs(root, tmp_path):
    result = reproduce("--root", root, "--output", tmp_path / "out", "--estimate", "--set", "ae-l2.widht=4")
    assert result.exit_code == 1
    assert "unexpected keyword argument 'widht'" in str(result.exception)


def test_data_that_is_nowhere(tmp_path):
    (tmp_path / "data").mkdir()
    result = reproduce("--root", tmp_path / "data", "--output", tmp_path / "out")
    assert isinstance(result.exception, DatasetError)
    assert "none of the paper's data is there" in str(result.exception)


@pytest.mark.parametrize(("option", "words"), [("--tables", "'x' is not a whole"), ("--seeds", "'x' is not a whole")])
def test_numbers_are_numbers(root, tmp_path, option, words):
    result = reproduce("--root", root, "--output", tmp_path / "out", option, "1,x")
    assert result.exit_code == 2
    assert words in result.stderr
