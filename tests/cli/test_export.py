from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys

import pytest

from tests.cli.test_commands import shell, utad
from utad import UTAD, load_detector
from utad.export.manifest import read_manifest

HEAVY = ("torch", "torchvision", "pytorch_lightning", "timm", "openvino_telemetry")


@pytest.fixture(scope="module", params=["onnx", "openvino"])
def exported(run, request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli") / request.param
    result = utad("export", run, "--format", request.param, "--output", folder)
    assert result.exit_code == 0, result.output
    assert "labels flipped                 0 of 5" in result.stdout
    return folder


def rows(folder):
    with (folder / "predictions.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_predict_and_evaluate_need_no_torch_and_agree_with_the_model(run, parts, exported, tmp_path):
    for command, data in (("predict", parts), ("evaluate", parts)):
        arguments = [command, str(exported), str(data), "--output", str(tmp_path / command)]
        code = (
            f"import sys; sys.argv[1:] = {arguments!r}\n"
            "from utad.cli import main\n"
            "try: main()\nexcept SystemExit as end: assert not end.code, end.code\n"
            f"loaded = [name for name in {HEAVY!r} if name in sys.modules]; assert not loaded, loaded"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        result = utad(command, run, data, "--output", tmp_path / f"{command} eager", "--runtime", "torch")
        assert result.exit_code == 0, result.output
        found, expected = rows(tmp_path / command), rows(tmp_path / f"{command} eager")
        assert [(row["path"], row["pred_label"]) for row in found] == [
            (row["path"], row["pred_label"]) for row in expected
        ]
    ours, eager = (
        json.loads((tmp_path / name / "metrics.json").read_text(encoding="utf-8"))[parts.name][parts.name]["utad"]["0"]
        for name in ("evaluate", "evaluate eager")
    )
    assert ours["image"] == eager["image"]
    assert ours["pixel"]["auroc"] == pytest.approx(eager["pixel"]["auroc"], abs=1e-3)


def test_an_export_beside_the_model_is_taken_by_its_runtime(run, exported, parts, tmp_path):
    shutil.copytree(run, tmp_path / "run", ignore=shutil.ignore_patterns("openvino"))
    shutil.copytree(exported, tmp_path / "run" / exported.name)
    result = utad("predict", tmp_path / "run", parts, "--output", tmp_path / "p", "--runtime", exported.name)
    assert result.exit_code == 0, result.output
    utad("predict", exported, parts, "--output", tmp_path / "q")
    assert rows(tmp_path / "p") == rows(tmp_path / "q")


def test_calibrate_keeps_a_threshold_from_labels_and_refuses_normals(parts, exported):
    before = read_manifest(exported).threshold
    result = utad("calibrate", exported, "--labelled", parts, "--target", "recall=1", "--force", "--json")
    assert result.exit_code == 0, result.output
    assert read_manifest(exported).threshold == json.loads(result.stdout)["threshold"] != before
    refused = shell("calibrate", exported, "--normal", parts / "normal")
    assert refused.returncode == 1
    assert "run utad calibrate --normal on the model" in refused.stderr


def test_a_failure_is_one_line_and_exit_1(run, tmp_path):
    result = shell("export", run, "--format", "onnx", "--precision", "int8", "--output", tmp_path / "x")
    assert result.returncode == 1
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("error: got --format onnx with --precision int8")
    assert utad("export", run, "--format", "tflite", "--output", tmp_path / "x").exit_code == 2


def test_export_writes_the_graph_beside_a_model_anew_and_replaces_nothing_else(run, tmp_path):
    own = shutil.copytree(run, tmp_path / "my run")
    model = UTAD.load(own)
    model.threshold = 0.7
    model.save(own, graph=False)
    arguments = ["export", own, "--format", "openvino", "--output"]
    assert utad(*arguments, own / "openvino").exit_code == 0
    assert read_manifest(own / "openvino").threshold == 0.7
    assert load_detector(own, runtime="openvino").threshold == 0.7
    (own / "openvino" / "notes.txt").write_text("mine", encoding="utf-8")
    result = utad(*arguments, own / "openvino")
    assert "exists and is not an empty folder" in str(result.exception)
