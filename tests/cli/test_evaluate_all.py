"""`utad evaluate` and `utad explain` with an index: each product with the detector of its name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests import fabricate
from utad.cli.app import app
from utad.errors import DatasetError, OutputError


def utad(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def data(tmp_path) -> Path:
    """Of both products normal and anomalous images, some of which trained the detectors, and are left out."""
    for name, count in (("cap", 18), ("seal", 19)):
        fabricate.normal_abnormal(tmp_path / "in" / name, n_normal=count, n_abnormal=2)
    return tmp_path / "in"


def test_each_product_is_evaluated_as_by_its_detector_alone(index, data, tmp_path):
    result = utad("evaluate", index, data, "--output", tmp_path / "out", "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert list(told["products"]) == ["cap", "seal"]
    assert told["failed"] == []
    alone = utad("evaluate", index / "seal", data / "seal", "--output", tmp_path / "alone", "--json")
    assert alone.exit_code == 0, alone.output
    one, other = told["products"]["seal"], json.loads(alone.stdout)
    assert one["n_anomalous"] == 2
    assert 0.0 <= one["image"]["auroc"] <= 1.0
    del one["ms_per_image"], other["ms_per_image"]
    assert other == one
    rows = [
        (folder / "predictions.csv").read_text().replace("seal/", "")
        for folder in (tmp_path / "out" / "seal", tmp_path / "alone")
    ]
    assert rows[0] == rows[1]
    assert (tmp_path / "out" / "cap" / "report.html").is_file()


def test_one_table_has_all_products_and_is_written_anew(index, data, tmp_path):
    for _ in range(2):
        result = utad("evaluate", index / "index.json", data, "--output", tmp_path / "out", "--no-report")
        assert result.exit_code == 0, result.output
    lines = (tmp_path / "out" / "metrics.md").read_text().splitlines()
    assert [line.split("|")[1].strip() for line in lines if line.startswith("|")] == ["category", "---", "cap", "seal"]
    assert lines[2] in result.stdout
    nested = json.loads((tmp_path / "out" / "metrics.json").read_text())
    of_seal = json.loads((tmp_path / "out" / "seal" / "metrics.json").read_text())
    assert nested["in"]["seal"] == of_seal["in"]["seal"]
    assert set(nested["in"]) == {"cap", "seal"}


def test_what_has_no_detector_or_fails_is_named_and_the_rest_is_evaluated(index, data, tmp_path):
    fabricate.normal_abnormal(data / "ring", n_normal=2, n_abnormal=1)
    for path in (data / "cap").rglob("*.png"):
        path.write_bytes(b"")
    result = utad("evaluate", index, data, "--output", tmp_path / "out", "--no-report")
    assert result.exit_code == 1
    lines = [line for line in result.stderr.splitlines() if line.startswith("not evaluated: ")]
    assert [line.split(": ")[1] for line in lines] == ["cap", "ring"]
    assert "there is no trained detector of this name" in lines[1]
    assert list(json.loads((tmp_path / "out" / "metrics.json").read_text())["in"]) == ["seal"]


def test_what_an_index_cannot_be_given_is_refused(index, data, tmp_path):
    output = tmp_path / "out"
    assert utad("evaluate", index, data, "--output", output, "--category", "cap").exit_code == 2
    assert isinstance(utad("evaluate", index, data, "--output", data / "out").exception, OutputError)
    other = fabricate.normal_abnormal(tmp_path / "other" / "bottle", n_normal=2, n_abnormal=1).parent
    refused = utad("evaluate", index, other, "--output", output).exception
    assert isinstance(refused, DatasetError)
    assert "holds the products bottle, and there are detectors for cap, seal" in str(refused)
    output.mkdir(exist_ok=True)
    (output / "metrics.md").write_text("mine")
    refused = utad("evaluate", index, data, "--output", output, "--no-report").exception
    assert isinstance(refused, OutputError)
    assert "metrics.md" in str(refused)
    assert (output / "metrics.md").read_text() == "mine"


def test_each_folder_is_explained_by_its_detector(index, tmp_path):
    for name in ("cap", "seal", "ring"):
        fabricate.save(tmp_path / "images" / name / "0.png", fabricate.picture())
    images = tmp_path / "images"
    (images / "cap" / "bad.png").write_bytes(b"")
    result = utad("explain", index, images, "--output", tmp_path / "out", "--save", "page", "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert {name: one["n_images"] for name, one in told["products"].items()} == {"cap": 1, "seal": 1}
    assert (tmp_path / "out" / "seal" / told["products"]["seal"]["opens"]).is_file()
    lines = [line for line in result.stderr.splitlines() if line.startswith("not explained: ")]
    assert "bad.png" in lines[0]
    assert "ring: there is no trained detector" in lines[1]
    assert utad("explain", index, images / "cap", images / "seal", "--output", tmp_path / "two").exit_code == 2
