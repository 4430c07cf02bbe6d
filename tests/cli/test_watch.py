from __future__ import annotations

import csv
import json
import signal

import pytest
from typer.testing import CliRunner

from tests import fabricate
from tests.cli.test_stopping import start, stopped
from utad.cli import options
from utad.cli.app import app
from utad.errors import ConfigError, OutputError
from utad.evaluation import prediction_pictures


def invoke(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def table(output) -> list[dict[str, str]]:
    path = output / "predictions.csv"
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_watch_scores_as_predict_does(run, parts, tmp_path):
    watched, output = tmp_path / "in", tmp_path / "out"
    for index in range(3):
        fabricate.save(watched / f"{index}.png", fabricate.picture(24, 24, seed=index))
    arguments = ("watch", run, watched, "--output", output, "--once", "--settle", 0, "--json", "--batch-size", 1)
    summary = json.loads(invoke(*arguments).stdout)
    assert (summary["n_images"], summary["n_failed"], summary["n_before"]) == (3, 0, 0)
    invoke("predict", run, watched, "--output", tmp_path / "predicted", "--batch-size", 1)
    rows, predicted = table(output), table(tmp_path / "predicted")
    scores = {row["path"]: float(row["pred_score"]) for row in rows}
    assert scores == pytest.approx({row["path"]: float(row["pred_score"]) for row in predicted})
    assert list(rows[0]) == list(predicted[0])
    (watched / "bad.png").write_bytes(b"no image")
    result = invoke(*arguments)
    assert result.exit_code == 1
    assert "not scored" in result.stderr
    refused = invoke(*arguments, "--threshold", 2.5)
    assert isinstance(refused.exception, OutputError)
    assert "its model or settings differ" in str(refused.exception)


def test_a_signal_ends_it_with_a_summary_and_the_same_command_goes_on(run, tmp_path):
    watched, output = tmp_path / "in", tmp_path / "out"
    for index in range(2):
        fabricate.save(watched / f"{index}.png", fabricate.picture(24, 24, seed=index))
    arguments = ("watch", run, watched, "--output", output, "--settle", "0.1", "--save", "none")
    exit_code, lines = stopped(start(*arguments), signal.SIGTERM, lambda: len(table(output)) == 2)
    assert exit_code == 143
    assert lines[-1].startswith("stopped: 2 images are scored, ")
    assert lines[-1].endswith(
        f"0 could not be read; 2 rows are in {output / 'predictions.csv'}; the same command goes on"
    )
    fabricate.save(watched / "new" / "2.png", fabricate.picture(24, 24, seed=2))
    exit_code, lines = stopped(start(*arguments), signal.SIGINT, lambda: len(table(output)) == 3)
    assert exit_code == 130
    assert lines[-1].startswith("stopped: 1 images are scored, ")
    assert sorted(row["path"] for row in table(output)) == ["0.png", "1.png", "new/2.png"]


@pytest.mark.parametrize(
    ("added", "error"),
    [
        (["--webhook", "host"], ConfigError),
        (["--mqtt", "host"], ConfigError),
        (["--poll", "0"], ConfigError),
        (["--link"], ConfigError),
        (["--output", "in/out"], OutputError),
        (["--output", "out", "--flagged", "in/flagged"], OutputError),
    ],
)
def test_what_cannot_be_is_refused_before_the_model_is_loaded(tmp_path, monkeypatch, added, error):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    result = invoke("watch", "no model", "in", "--output", "out", *added)
    assert isinstance(result.exception, error), result.output
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_the_kinds_to_save_are_those_of_the_library():
    assert options.SAVABLE == prediction_pictures.SAVABLE
