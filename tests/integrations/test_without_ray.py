from __future__ import annotations

import sys

import pytest
from typer.testing import CliRunner

from tests import fabricate
from utad.cli.app import app
from utad.errors import MissingDependencyError


def test_what_is_missing_is_named_with_its_extra_and_nothing_is_written(run, tmp_path, monkeypatch):
    for name in ("ray", "ray.data", "pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, name, None)
    image = fabricate.save(tmp_path / "a.png", fabricate.picture())
    result = CliRunner().invoke(
        app, ["predict", str(run), str(image), "--engine", "ray", "--output", str(tmp_path / "out")]
    )
    assert isinstance(result.exception, MissingDependencyError)
    assert "pip install 'utad[ray]'" in str(result.exception)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--engine", "ray", "--save", "maps"], "writes no pictures"),
        (["--engine", "ray", "--runtime", "onnx"], "name an exported folder"),
        (["--address", "head:6379"], "go with --engine ray"),
        (["--workers", "2"], "go with --engine ray"),
    ],
)
def test_options_that_do_not_go_together_are_refused(tmp_path, options, message):
    result = CliRunner().invoke(app, ["predict", "model", "images", "--output", str(tmp_path / "out"), *options])
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
