from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from tests import fabricate
from utad import UTAD
from utad.cli.app import app
from utad.cli.explain import SAVABLE
from utad.errors import InputError
from utad.export.manifest import read_manifest, write_manifest
from utad.loading import explaining_detector, load_detector
from utad.report import explanation_folder


def utad(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=True)


def test_explain_writes_pages_and_says_so_in_json(run, tmp_path):
    source = tmp_path / "in"
    for name in ("a.png", "b.png"):
        fabricate.save(source / name, fabricate.defective())
    result = utad("explain", run, source, "--output", tmp_path / "out", "--save", "page", "--neighbours", 2, "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["n_images"] == 2
    for row in report["images"]:
        assert sum(row["shares"].values()) == pytest.approx(row["pred_score"], abs=1e-6)
        page = (tmp_path / "out" / row["page"]).read_text(encoding="utf-8")
        assert page.count('alt="Normal image') == 2
    assert (tmp_path / "out" / "index.html").is_file()


def test_explain_reports_what_it_cannot_read(run, tmp_path):
    fabricate.save(tmp_path / "in" / "a.png", fabricate.picture())
    (tmp_path / "in" / "b.png").write_bytes(b"no image")
    result = utad("explain", run, tmp_path / "in", "--output", tmp_path / "out", "--save", "page")
    assert result.exit_code == 1
    assert "not explained" in result.stderr


def test_what_can_be_saved_is_what_the_folder_writes(run, tmp_path):
    assert tuple(explanation_folder.SAVABLE) == SAVABLE
    assert utad("explain", run, tmp_path, "--output", tmp_path / "out", "--save", "pdf").exit_code == 2
    assert utad("explain", run, tmp_path, "--output", tmp_path / "out", "--save", "").exit_code == 2


def test_an_exported_folder_explains_as_the_model_does(run, tmp_path):
    image = fabricate.defective()
    file = fabricate.save(tmp_path / "a.png", image)
    result = utad("explain", run / "openvino", file, "--output", tmp_path / "out", "--save", "page", "--json")
    (row,) = json.loads(result.stdout)["images"]
    expected = UTAD.load(run).explain(image)
    assert row["shares"] == pytest.approx(expected.shares, rel=1e-3, abs=1e-3)
    assert (tmp_path / "out" / row["page"]).read_text(encoding="utf-8").count('alt="Normal image') == 5


@pytest.fixture
def earlier(run, tmp_path):
    """A run whose graph is of a version that did not tell the shares."""
    folder = shutil.copytree(run, tmp_path / "earlier")
    manifest = read_manifest(folder / "openvino")
    assert manifest.scored
    write_manifest(folder / "openvino", replace(manifest, scored=[]))
    return folder


def test_a_graph_of_before_is_refused_with_the_way_out(earlier, tmp_path):
    image = fabricate.save(tmp_path / "a.png", fabricate.picture())
    result = utad("explain", earlier / "openvino", image, "--output", tmp_path / "out")
    assert isinstance(result.exception, InputError)
    assert "utad explain RUN" in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_beside_a_graph_of_before_the_model_explains(earlier):
    assert load_detector(earlier).predict(fabricate.picture()).shares == {}
    explanation = explaining_detector(earlier).explain(fabricate.picture())
    assert sum(explanation.shares.values()) == pytest.approx(explanation.prediction.pred_score, abs=1e-6)
