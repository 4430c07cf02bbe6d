"""`utad predict` with an index: each folder of images by the detector of its name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests import fabricate
from utad.cli.app import app
from utad.errors import DatasetError, ModelFileError, OutputError
from utad.products.index import ProductIndex


def utad(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def images(tmp_path) -> Path:
    for name, count in (("cap", 2), ("seal", 3)):
        for number in range(count):
            fabricate.save(tmp_path / "in" / name / f"{number}.png", fabricate.picture(40, 48, seed=number))
    return tmp_path / "in"


def test_each_folder_is_scored_as_by_its_detector_alone(index, images, tmp_path):
    result = utad("predict", index, images, "--output", tmp_path / "out", "--save", "masks", "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert {name: summary["n_images"] for name, summary in told["products"].items()} == {"cap": 2, "seal": 3}
    assert told["failed"] == []
    alone = utad("predict", index / "seal", images / "seal", "--output", tmp_path / "alone", "--save", "masks")
    assert alone.exit_code == 0, alone.output
    table = (tmp_path / "out" / "seal" / "predictions.csv").read_bytes()
    assert table == (tmp_path / "alone" / "predictions.csv").read_bytes()
    assert (tmp_path / "out" / "cap" / "masks" / "1.png").is_file()


def test_what_has_no_detector_or_fails_is_named_and_the_rest_is_scored(index, images, tmp_path):
    for name in ("ring", "new"):
        fabricate.save(images / name / "0.png", fabricate.picture())
    (images / "cap" / "bad.png").write_bytes(b"")
    for path in (images / "seal").iterdir():
        path.write_bytes(b"")
    result = utad("predict", index / "index.json", images, "--output", tmp_path / "out", "--save", "none")
    assert result.exit_code == 1
    assert "cap: 2 images, 0 anomalous, 1 could not be read" in result.stdout
    lines = [line for line in result.stderr.splitlines() if line.startswith("not scored: ")]
    assert [line.partition(": ")[2].split(":")[0] for line in lines[1:]] == ["new", "ring", "seal"]
    assert "bad.png" in lines[0]
    assert "no trained detector of this name" in lines[1]
    assert not (tmp_path / "out" / "ring").exists()


def test_folders_that_are_no_products_are_refused(index, images, tmp_path):
    other = fabricate.save(tmp_path / "other" / "bottle" / "0.png", fabricate.picture()).parent.parent
    refused = utad("predict", index, other, "--output", tmp_path / "out").exception
    assert isinstance(refused, DatasetError)
    assert "holds the products bottle, and there are detectors for cap, seal" in str(refused)
    assert utad("predict", index, images / "cap", images / "seal", "--output", tmp_path / "out").exit_code == 2
    assert isinstance(utad("predict", index, images, "--output", images / "out").exception, OutputError)
    assert not (tmp_path / "out").exists()


def test_an_index_without_a_trained_detector_is_refused(images, tmp_path):
    (tmp_path / "index.json").write_text(
        ProductIndex(version="0.1.0", source="parts", products=()).model_dump_json(), encoding="utf-8"
    )
    refused = utad("predict", tmp_path / "index.json", images, "--output", tmp_path / "out").exception
    assert isinstance(refused, ModelFileError)
