from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from tests import fabricate
from tests.conftest import TINY
from utad import UTAD, load_config
from utad.cli.app import app
from utad.data import open_category
from utad.errors import ConfigError, WeightsError
from utad.model_file import read_model

SETTINGS = [part for setting in TINY for part in ("--set", setting)]


def utad(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=True)


def shell(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from utad.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def test_train_leaves_a_run_that_can_be_repeated_from_its_config(parts, tmp_path):
    (tmp_path / "mine.yaml").write_text("seed: 3", encoding="utf-8")
    result = utad("train", parts, "--output", tmp_path / "r", *SETTINGS, "--config", tmp_path / "mine.yaml", "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["n_images"] + report["n_skipped"] == len(open_category(parts).train)
    assert report["unusual"][0].keys() == {"name", "score", "outlier"}
    assert sorted(path.name for path in (tmp_path / "r").iterdir()) == [
        ".utad-record.jsonl",
        "checkpoints",
        "config.yaml",
        "metrics.csv",
        "model.safetensors",
        "openvino",
        "report.html",
    ]
    assert report["report"] == str(tmp_path / "r" / "report.html")
    # What a person wrote beats the default of every option.
    assert load_config(file=tmp_path / "r" / "config.yaml") == load_config(overrides=[*TINY, "seed=3"])
    assert report["layout"] == "labelled"


def test_predict_writes_tables_and_pictures(run, tmp_path):
    photos = fabricate.photos(tmp_path / "fotos")
    result = utad("predict", run, photos, "--output", tmp_path / "p", "--save", "maps,masks,overlays,impressions")
    assert result.exit_code == 0, result.output
    with (tmp_path / "p" / "predictions.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["path", "pred_score", "pred_label", "threshold", "anomaly_map", "pred_mask", "band"]
    assert "näher/übung.bmp" in [row["path"] for row in rows]
    lines = (tmp_path / "p" / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["path"] for line in lines] == [row["path"] for row in rows]
    for row in rows:
        with Image.open(photos / row["path"]) as image, Image.open(tmp_path / "p" / row["anomaly_map"]) as heat:
            assert heat.size == image.size
            assert heat.mode == "I;16"
        with Image.open(tmp_path / "p" / row["pred_mask"]) as mask:
            assert mask.mode == "1"
        for folder in ("overlays", "impressions", "naive_impressions", "reconstructions"):
            assert (tmp_path / "p" / folder / row["pred_mask"].removeprefix("masks/")).is_file()


def test_predict_with_a_graph_imports_nothing_that_only_training_needs(run, tmp_path):
    image = fabricate.save(tmp_path / "one.png", fabricate.picture(24, 24))
    code = (
        "import sys\nfrom utad.cli import main\ntry:\n    main()\nfinally:\n"
        "    print(*sorted({name.split('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, "predict", run, image, "--output", tmp_path / "p", "--save", "maps,masks"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
    loaded = set(done.stderr.split())
    assert {"utad", "openvino"} <= loaded
    assert loaded.isdisjoint({"torch", "torchvision", "timm", "pytorch_lightning", "torchmetrics", "matplotlib"})


def test_a_misspelt_suite_is_named_before_anything_heavy_is_imported(tmp_path):
    code = (
        "import sys\nfrom utad.cli.app import app\nfrom utad.errors import ConfigError\ntry:\n"
        "    app(standalone_mode=False)\nexcept ConfigError as error:\n    print(error)\nprint('torch' in sys.modules)"
    )
    command = [sys.executable, "-c", code, "benchmark", "texture", "--output", tmp_path / "b"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
    said, imported = done.stdout.splitlines()
    assert said.startswith("unknown suite 'texture': choose one of textures, ")
    assert imported == "False"
    assert not (tmp_path / "b").exists()


def test_predict_reports_what_it_cannot_read_and_scores_the_rest(run, tmp_path):
    fabricate.save(tmp_path / "in" / "good.png", fabricate.picture())
    fabricate.damaged_files(tmp_path / "in")
    result = shell("predict", run, tmp_path / "in", "--output", tmp_path / "p", "--json")
    assert result.returncode == 1
    summary = json.loads(result.stdout)
    assert summary["n_images"] == 1
    assert len(summary["failed"]) == 9
    assert "empty.png" in result.stderr
    assert "Traceback" not in result.stderr


def test_threshold_can_be_given(run, tmp_path):
    image = fabricate.save(tmp_path / "x.png", fabricate.picture())
    for threshold, label in (("-100", "true"), ("100", "false")):
        result = utad("predict", run, image, "--output", tmp_path / "p", "--threshold", threshold, "--save", "none")
        assert result.exit_code == 0, result.output
        with (tmp_path / "p" / "predictions.csv").open(encoding="utf-8", newline="") as file:
            (row,) = csv.DictReader(file)
        assert (row["pred_label"], float(row["threshold"]), row["anomaly_map"]) == (label, float(threshold), "")


def test_evaluate_writes_metrics(run, parts, tmp_path):
    result = utad("evaluate", run, parts, "--output", tmp_path / "e")
    assert result.exit_code == 0, result.output
    metrics = json.loads((tmp_path / "e" / "metrics.json").read_text(encoding="utf-8"))
    evaluation = metrics[parts.name][parts.name]["utad"]["0"]
    assert 0 <= evaluation["image"]["auroc"] <= 1
    assert set(evaluation["pixel"]) == {"auroc", "aupr", "aupro", "f1_max", "iou", "iou_oracle"}
    assert (tmp_path / "e" / "metrics.md").read_text(encoding="utf-8").strip() in result.stdout


def test_calibrate_saves_the_threshold_in_place(run, parts, tmp_path):
    model = tmp_path / "m.safetensors"
    model.write_bytes((run / "model.safetensors").read_bytes())
    result = utad("calibrate", model, "--labelled", parts, "--target", "recall=1", "--json", "--force")
    assert result.exit_code == 0, result.output
    threshold = json.loads(result.stdout)["threshold"]
    image = fabricate.save(tmp_path / "x.png", fabricate.picture())
    utad("predict", model, image, "--output", tmp_path / "p")
    line = (tmp_path / "p" / "predictions.jsonl").read_text(encoding="utf-8")
    assert json.loads(line)["threshold"] == threshold


def test_calibrate_undo_brings_the_model_back(run, parts, tmp_path, caplog):
    model = tmp_path / "m.safetensors"
    model.write_bytes((run / "model.safetensors").read_bytes())
    for seed in range(20, 32):
        fabricate.save(tmp_path / "normal" / f"{seed}.png", fabricate.picture(seed=seed))
    result = utad("calibrate", model, "--normal", tmp_path / "normal", "--fpr", "0.2")
    assert result.exit_code == 0, result.output
    assert "of these 12 normal images it calls" in result.stdout
    assert f"utad calibrate {model} --undo" in result.stdout
    assert "scoring: 12 images" in caplog.messages
    before, changed = read_model(run), read_model(model)
    assert changed.manifest["calibrations"] != before.manifest["calibrations"] == []
    result = utad("calibrate", model, "--undo")
    assert result.exit_code == 0, result.output
    after = read_model(model)
    assert after.manifest == before.manifest
    assert all(torch.equal(after.tensors[name], tensor) for name, tensor in before.tensors.items())
    assert not all(torch.equal(changed.tensors[name], tensor) for name, tensor in before.tensors.items())
    assert utad("calibrate", model, "--undo").exit_code == 1


def test_calibrations_from_labels_are_undone_one_by_one(run, tmp_path):
    # Without its graph: those calibrations that find one write it anew, which takes its time.
    shutil.copytree(run, tmp_path / "run", ignore=shutil.ignore_patterns("openvino"))
    data = tmp_path / "labelled"
    for seed in range(500, 508):
        fabricate.save(data / "normal" / f"{seed}.png", fabricate.picture(seed=seed))
        fabricate.save(data / "abnormal" / f"{seed}.png", fabricate.defective(seed=seed))
    thresholds = [read_model(run).manifest["threshold"]]
    for target in ("f1", "recall=0.25"):
        result = utad("calibrate", tmp_path / "run", "--labelled", data, "--target", target, "--json")
        assert result.exit_code == 0, result.output
        thresholds.append(json.loads(result.stdout)["threshold"])
    assert len(set(thresholds)) == 3
    for before in thresholds[1::-1]:
        result = utad("calibrate", tmp_path / "run", "--undo", "--json")
        assert result.exit_code == 0, result.output
        assert read_model(tmp_path / "run").manifest["threshold"] == json.loads(result.stdout)["threshold"] == before
    assert not (tmp_path / "run" / "openvino").exists()


def test_what_trained_the_model_is_not_evaluated_on(run, parts, tmp_path, caplog):
    for index, path in enumerate(sorted((parts / "normal").iterdir())):
        target = tmp_path / "data" / "normal" / f"copy {index}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    fabricate.save(tmp_path / "data" / "normal" / "new.png", fabricate.picture(seed=50))
    result = utad("evaluate", run, tmp_path / "data", "--output", tmp_path / "e", "--json")
    assert result.exit_code == 0, result.output
    # Of 16 copies 13 trained it; a set of normal images alone has the metrics that exist.
    evaluation = json.loads(result.stdout)
    assert evaluation["n_normal"] == 4
    assert "false_positive_rate" in evaluation
    assert not {"image", "recall"} & set(evaluation)
    assert "13 of 17 images trained this model" in caplog.text


def test_a_labelled_folder_is_evaluated_whole(run, tmp_path):
    data = tmp_path / "new"
    for kind, make, seeds in (("OK", fabricate.picture, range(30, 39)), ("NG", fabricate.defective, range(30, 33))):
        for seed in seeds:
            fabricate.save(data / kind / f"{seed}.png", make(seed=seed))
    (data / "OK" / "x.heic").write_bytes(b"x")
    result = utad("evaluate", run, data, "--output", tmp_path / "e", "--json")
    assert result.exit_code == 0, result.output
    evaluation = json.loads(result.stdout)
    assert (evaluation["n_normal"], evaluation["n_anomalous"], evaluation["layout"]) == (9, 3, "labelled")
    assert evaluation["left_out"] == ["1 .heic, a format that is not read"]
    shutil.rmtree(data / "OK")
    evaluation = json.loads(utad("evaluate", run, data, "--output", tmp_path / "e", "--json").stdout)
    assert (evaluation["n_normal"], evaluation["n_anomalous"]) == (0, 3)
    assert "recall" in evaluation


def test_training_data_that_shows_defects_is_questioned_before_anything_is_written(tmp_path):
    data = fabricate.normal_abnormal(tmp_path / "data" / "deep" / "er")
    result = utad("train", data.parent.parent, "--output", tmp_path / "r")
    assert result.exit_code == 1
    assert "3 images in deep/er/abnormal" in str(result.exception)
    assert not (tmp_path / "r").exists()


def test_calibrate_keeps_the_graph_of_a_run_in_step_with_its_model(run, parts, tmp_path):
    own = shutil.copytree(run, tmp_path / "run")
    result = utad("calibrate", own, "--normal", parts / "normal", "--fpr", "0.2", "--json", "--force")
    assert result.exit_code == 0, result.output
    image = fabricate.save(tmp_path / "x.png", fabricate.picture(seed=3))
    scores = []
    for runtime in ("openvino", "torch"):
        result = utad("predict", own, image, "--output", tmp_path / runtime, "--runtime", runtime)
        assert result.exit_code == 0, result.output
        line = (tmp_path / runtime / "predictions.jsonl").read_text(encoding="utf-8")
        scores.append(json.loads(line)["pred_score"])
    assert scores[0] == pytest.approx(scores[1], rel=1e-3, abs=5e-4)
    assert scores[1] != pytest.approx(UTAD.load(run).predict(image).pred_score, rel=1e-3)


def test_train_without_a_graph_is_scored_by_pytorch(parts, tmp_path):
    result = utad("train", parts, "--output", tmp_path / "r", *SETTINGS, "--no-graph")
    assert result.exit_code == 0, result.output
    assert not (tmp_path / "r" / "openvino").exists()
    done = shell("predict", tmp_path / "r", parts / "normal", "--output", tmp_path / "p", "--save", "none")
    assert done.returncode == 0, done.stderr
    assert "scoring with PyTorch: there is no graph in" in done.stderr


def test_doctor_counts_the_papers_parameters():
    result = utad("doctor", "--preset", "paper", "--json")
    found = json.loads(result.stdout)
    assert sum(found["parameters"].values()) == 16_797_712
    assert found["bundled_backbone"] == "sha256 verified"
    assert "16.77 M; here 16.80 M" in utad("doctor", "--preset", "paper").stdout


def test_demo_leaves_everything_a_person_wants_to_see(tmp_path):
    result = utad("demo", "--output", tmp_path, *SETTINGS)
    assert result.exit_code == 0, result.output
    assert "| brick | utad |" in result.stdout
    assert "utad train" in result.stdout
    names = {path.name for path in tmp_path.iterdir()}
    assert {"model.safetensors", "metrics.json", "predictions.csv", "report.html", "training.html", "grid.png"} <= names
    assert "Losses by stage" in (tmp_path / "training.html").read_text(encoding="utf-8")
    assert "Losses by stage" not in (tmp_path / "report.html").read_text(encoding="utf-8")
    with Image.open(tmp_path / "grid.png") as grid:
        assert min(grid.size) > 800
        assert np.asarray(grid.convert("L")).std() > 20


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "nowhere", "--output", "x"], "neither a folder nor one of"),
        (["train", "brick", "--output", "x", "--set", "image.sise=3"], "unknown key image.sise"),
        (["predict", "nowhere.safetensors", "x.png", "--output", "x"], "there is no model at nowhere.safetensors"),
        (["benchmark", "mvtec", "--output", "x"], "--root DIR"),
        (["doctor", "--preset", "slow"], "unknown preset 'slow'"),
    ],
)
def test_a_failure_is_one_line_and_exit_1(arguments, words):
    result = shell(*arguments)
    assert result.returncode == 1
    assert result.stdout == ""
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("error: ")
    assert words in line


def test_a_backbone_that_is_asked_for_in_two_ways_is_refused():
    arguments = ["train", "brick", "--output", "x", "--set", "backbone.name=efficientnet_lite0", "--backbone"]
    result = utad(*arguments, "efficientnet_lite2")
    assert result.exit_code == 2
    assert "leave one out" in result.stderr


def test_the_weights_of_a_backbone_are_read_from_the_file_that_is_named(tmp_path):
    root = fabricate.class_folders(tmp_path / "animals", n_train=6)
    weights = tmp_path / "vgg16.safetensors"
    weights.write_bytes(b"no weights")
    untrained = [
        f"--set={stage}.{how}" for stage in ("ie_training", "expert_training") for how in ("epochs=null", "steps=0")
    ]
    given = ["--preset", "paper-small", "--backbone", "vgg16", "--backbone-weights", weights, *untrained]
    result = utad("train", root, "--layout", "classes", "--category", "cat", "--output", tmp_path / "run", *given)
    assert isinstance(result.exception, WeightsError)
    assert f"{weights} cannot be read as weights" in str(result.exception)


@pytest.mark.parametrize(
    ("fail_fpr", "words"), [("0.2", "got fail_fpr 0.2 above fpr 0.01"), ("5", "got fail_fpr 5, expected a share")]
)
def test_calibrate_checks_both_rates_before_it_reads_anything(fail_fpr, words):
    result = utad("calibrate", "m", "--normal", "x", "--fail-fpr", fail_fpr)
    assert isinstance(result.exception, ConfigError)
    assert words in str(result.exception)


@pytest.mark.parametrize(
    ("arguments", "goes_with"),
    [
        (["--labelled", "x", "--fpr", "0.05"], "--normal"),
        (["--labelled", "x", "--fail-fpr", "0.001"], "--normal"),
        (["--normal", "x", "--target", "f1"], "--labelled"),
        (["--undo", "--target", "recall=1"], "--labelled"),
        (["--undo", "--fpr", "0.01"], "--normal"),
    ],
)
def test_calibrate_refuses_an_option_that_would_change_nothing(arguments, goes_with):
    result = utad("calibrate", "m", *arguments)
    assert result.exit_code == 2
    assert f"goes with {goes_with} alone" in result.stderr


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
@pytest.mark.parametrize(
    "arguments", [["calibrate", "m", "--normal", "x", "--fpr"], ["predict", "m", "x", "--output", "o", "--threshold"]]
)
def test_numbers_that_are_none_are_errors_and_no_tracebacks(arguments, value):
    result = utad(*arguments[:-1], f"{arguments[-1]}={value}")
    assert (result.exit_code, type(result.exception)) == (1, ConfigError)


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "brick"],
        ["predict", "m", "x", "--output", "o", "--save", "everything"],
        ["calibrate", "m"],
        ["nonsense"],
    ],
)
def test_wrong_usage_exits_with_2(arguments):
    result = utad(*arguments)
    assert result.exit_code == 2


@pytest.mark.parametrize("module", ["utad", "utad.cli.app", "utad.config"])
def test_importing_is_light(module):
    heavy = ("torch", "torchvision", "timm", "pytorch_lightning", "matplotlib", "skimage", "sklearn", "scipy")
    code = f"import sys, {module}; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
