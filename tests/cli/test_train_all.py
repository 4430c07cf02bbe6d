"""`utad train --all`: real trainings in processes of their own."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests import fabricate
from tests.cli.test_stopping import start, stopped
from tests.training import tiny
from utad import UTAD
from utad.cli.app import app
from utad.errors import DatasetError, OutputError
from utad.output_folder import output_folder
from utad.serving.registry import named_models

TINY = (*tiny.SETTINGS, "scoring.method=paper", "scoring.space=pixels")


def options(*settings: str) -> list[str]:
    return [part for setting in (*TINY, *settings) for part in ("--set", setting)]


def utad(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def products(tmp_path_factory) -> Path:
    """A folder in the layout of MVTec AD, one with too few good parts, and one with nothing in it."""
    root = tmp_path_factory.mktemp("products")
    fabricate.mvtec_category(root / "bottle", n_train=6)
    fabricate.save(root / "few" / "0.png", fabricate.picture())
    (root / "empty").mkdir()
    return root


def test_each_folder_gets_a_detector_and_one_that_fails_is_named(products, tmp_path):
    output = tmp_path / "out"
    command = ["train", products, "--all", "--jobs", 2, "--output", output, "--no-graph", *options()]
    result = utad(*command, "--seed", 3)
    assert result.exit_code == 1, result.output
    assert result.stderr.splitlines()[-1] == "not trained: few: training needs at least 4 normal images, got 1"
    assert f"1 detector: {output / 'index.json'}" in result.stdout
    assert sorted(path.name for path in (output / "bottle").iterdir()) == [
        *(".utad-record.jsonl", "checkpoints", "config.yaml", "metrics.csv"),
        *("model.safetensors", "report.html", "train.log"),
    ]
    page = (output / "report.html").read_text(encoding="utf-8")
    assert '<a href="bottle/report.html">bottle</a>' in page
    assert "training needs at least 4 normal images, got 1" in page
    index = json.loads((output / "index.json").read_text(encoding="utf-8"))
    assert [(one["name"], one["status"], one["seed"]) for one in index["products"]] == [
        *(("bottle", "trained", 3), ("few", "failed", 3))
    ]
    assert index["products"][0]["data"]["layout"] == "mvtec"

    # Each is the one that is trained by itself, and going on trains none of them again.
    alone = UTAD(overrides=TINY, seed=3).fit(products / "bottle")
    weights = UTAD.load(output / "bottle").network_.state_dict()
    other = alone.network_.state_dict()
    assert all(bool((tensor == other[name]).all()) for name, tensor in weights.items())
    written = (output / "bottle" / "model.safetensors").stat().st_mtime_ns
    again = utad(*command, "--seed", 3, "--resume", "--json")
    assert again.exit_code == 1
    assert [one["status"] for one in json.loads(again.stdout)["products"]] == ["trained", "failed"]
    assert (output / "bottle" / "model.safetensors").stat().st_mtime_ns == written
    assert isinstance(utad(*command, "--seed", 3).exception, OutputError)


def test_stopped_it_ends_its_processes_and_says_how_to_go_on(tmp_path):
    for name, count in (("-teile ä", 6), ("few", 1)):
        for index in range(count):
            fabricate.save(tmp_path / "in" / name / f"{index}.png", fabricate.picture(32, 32, seed=index, grey=True))
    output = tmp_path / "out"
    steps = ("ie_training.steps=5000", "ie_training.checkpoint_every=5")
    command = ("train", tmp_path / "in", "--all", "--output", output, *options(*steps))
    checkpoint = output / "-teile ä" / "checkpoints" / "ie_net.ckpt"
    exit_code, lines = stopped(start(*command), signal.SIGTERM, checkpoint.is_file)
    assert exit_code == 143
    assert lines[-1] == (f"stopped: 0 of 2 detectors are trained, in {output}; the same command with --resume goes on")
    index = json.loads((output / "index.json").read_text(encoding="utf-8"))
    assert [one["status"] for one in index["products"]] == ["interrupted", "waiting"]
    with output_folder(output / "-teile ä", "test"):  # its lock is free
        pass
    saved = checkpoint.stat().st_mtime_ns
    process = start(*command, "--resume")
    exit_code, _ = stopped(process, signal.SIGINT, lambda: checkpoint.stat().st_mtime_ns != saved)
    assert exit_code == 130
    log = (output / "-teile ä" / "train.log").read_text(encoding="utf-8")
    assert "ie_net goes on from step" in log


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--all", "--category", "bottle"], "--all trains every category"),
        (["--jobs", "2"], "it goes with --all"),
        (["--all", "--jobs", "2", "--download"], "would fetch the same files"),
    ],
)
def test_options_that_do_not_go_together_are_refused(products, tmp_path, arguments, message):
    result = utad("train", products, "--output", tmp_path / "out", *arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.replace("│", " ").split())
    assert not (tmp_path / "out").exists()


def test_one_product_is_not_trained_as_many(products, tmp_path):
    result = utad("train", products / "bottle", "--all", "--output", tmp_path / "out")
    assert isinstance(result.exception, DatasetError)
    assert "is one category (mvtec)" in str(result.exception)
    inside = utad("train", products, "--all", "--output", products / "out")
    assert isinstance(inside.exception, OutputError)


def test_an_index_names_the_models_to_serve(tmp_path):
    index = {"kind": "utad index", "format": 1, "version": "0.1.0", "source": "x"}
    product = {"preset": "fast", "seed": 0, "status": "trained"}
    index["products"] = [{"name": name, "folder": name, **product} for name in ("cap", "seal")]
    (tmp_path / "index.json").write_text(json.dumps(index), encoding="utf-8")
    expected = {"cap": tmp_path / "cap", "seal": tmp_path / "seal"}
    assert named_models([str(tmp_path)]) == named_models([str(tmp_path / "index.json")]) == expected
    assert named_models([str(tmp_path), f"ring={tmp_path}"])["ring"] == tmp_path
