"""Nothing of the user's is overwritten, whichever command writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests import fabricate
from tests.training import tiny
from utad import UTAD, __version__
from utad.cli.app import app
from utad.errors import DatasetError, OutputError, UTADError
from utad.evaluation.benchmark import Benchmark, run_benchmark
from utad.evaluation.methods import variants_of
from utad.evaluation.suites import suite_named

SETTINGS = [part for setting in (*tiny.SETTINGS, "scoring.method=paper") for part in ("--set", setting)]


def refusal(*arguments: object) -> str:
    """The message of the `UTADError` that a command ends with."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert isinstance(result.exception, UTADError), result.output
    return str(result.exception)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def data(tmp_path) -> Path:
    return fabricate.normal_abnormal(tmp_path / "data", n_normal=5, n_abnormal=2)


@pytest.mark.parametrize(
    "arguments",
    [
        ["predict", "no model", "data/masks", "--output", "data"],
        ["predict", "no model", "data/abnormal", "--output", "data"],
        ["predict", "no model", "data", "--output", "data/results"],
        ["predict", "no model", "link", "--output", "data/results"],
        ["predict", "no model", "data/normal", "--output", "link/abnormal/../normal/x"],
        ["evaluate", "no model", "data", "--output", "data/evaluation"],
        ["evaluate", "no model", "link", "--output", "data"],
        ["train", "data", "--output", "data/run"],
        ["train", "data/normal", "--output", "data"],
        ["export", "no model", "--format", "onnx", "--normal", "data/normal", "--output", "data/normal/export"],
        ["benchmark", "folder", "--root", "data", "--output", "data/benchmark", "--methods", "padim"],
        ["reproduce", "--root", "data", "--output", "data/tables"],
    ],
)
def test_an_output_over_an_input_is_refused_before_anything_is_read(data, monkeypatch, arguments):
    (data.parent / "link").symlink_to(data)
    before = contents(data)
    monkeypatch.chdir(data.parent)
    message = refusal(*arguments)
    assert "the output folder" in message
    assert "the input" in message
    assert contents(data) == before


@pytest.mark.parametrize("name", ["config.yaml", "metrics.csv", "checkpoints/mine.txt", "openvino/mine.txt"])
def test_train_and_demo_keep_what_somebody_else_wrote(data, tmp_path, name):
    mine = tmp_path / "run" / name
    mine.parent.mkdir(parents=True)
    mine.write_text("mine", encoding="utf-8")
    for command in (["train", data], ["demo"]):
        assert "which utad did not write" in refusal(*command, "--output", tmp_path / "run", *SETTINGS)
    assert contents(tmp_path / "run") == {name: b"mine"}


def test_demo_and_evaluate_keep_what_somebody_else_wrote(run, data, tmp_path):
    for name in ("metrics.json", "predictions.csv"):
        mine = tmp_path / name.partition(".")[0] / name
        mine.parent.mkdir()
        mine.write_text("mine", encoding="utf-8")
        for command in (["demo", *SETTINGS], ["evaluate", run, data]):
            assert f"holds {name}, which utad did not write" in refusal(*command, "--output", mine.parent)
        assert contents(mine.parent) == {name: b"mine"}


def test_benchmark_keeps_what_somebody_else_wrote(tmp_path):
    fabricate.mvtec_category(tmp_path / "data" / "bottle")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "results.json").write_text("mine", encoding="utf-8")
    plan = Benchmark(suite_named("mvtec"), variants_of(["padim"]), root=tmp_path / "data")
    with pytest.raises(OutputError, match=r"holds results\.json, which utad did not write"):
        run_benchmark(plan, tmp_path / "out", jobs=0)
    assert contents(tmp_path / "out") == {"results.json": b"mine"}


def test_a_saved_model_takes_the_place_of_models_alone(detector, tmp_path):
    photo = fabricate.save(tmp_path / "part.png", fabricate.picture())
    before = photo.read_bytes()
    with pytest.raises(OutputError, match=r"part\.png is there and is not a model"):
        detector.save(photo)
    assert photo.read_bytes() == before


def test_a_refused_train_leaves_the_folder_free(tmp_path):
    few = tmp_path / "few"
    for index in range(3):
        fabricate.save(few / f"{index}.png", fabricate.picture(32, 32, seed=index, grey=True))
    assert "at least 4 normal images" in refusal("train", few, "--output", tmp_path / "run", *SETTINGS)
    assert not (tmp_path / "run").exists()
    fabricate.save(few / "3.png", fabricate.picture(32, 32, seed=3, grey=True))
    diverging = "ie_training.optimizer={name: sgd, learning_rate: 1.0e+30, schedule: constant}"
    refusal("train", few, "--output", tmp_path / "run", *SETTINGS, "--set", diverging, "--set", "precision=fp32")
    result = CliRunner().invoke(app, ["train", str(few), "--output", str(tmp_path / "run"), *SETTINGS, "--no-graph"])
    assert result.exit_code == 0, result.output
    assert "already holds a run (model.safetensors, checkpoints)" in refusal(
        "train", few, "--output", tmp_path / "run", *SETTINGS
    )


def test_a_folder_is_trained_into_by_one_process_at_a_time(tmp_path):
    for index in range(4):
        fabricate.save(tmp_path / "good" / f"{index}.png", fabricate.picture(32, 32, seed=index, grey=True))
    arguments = ["train", str(tmp_path / "good"), "--output", str(tmp_path / "run"), *SETTINGS, "--no-graph"]
    command = [sys.executable, "-c", "from utad.cli import main; main()", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    both = [subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate()[1] for process in both]
    assert sorted(process.returncode for process in both) == [0, 1]
    refused = said[[process.returncode for process in both].index(1)]
    assert "another run writes to" in refused or "already holds a run" in refused
    assert UTAD.load(tmp_path / "run").config.image.size == 32


def test_a_folder_without_images_is_an_error_in_every_command(run, detector, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "IMG_1.HEIC").write_bytes(b"x")
    assert "got no image files" in refusal("predict", run, tmp_path / "empty", "--output", tmp_path / "p")
    refusal("evaluate", run, tmp_path / "empty", "--output", tmp_path / "e")
    with pytest.raises(DatasetError, match="got no image files"):
        detector.predict(tmp_path / "empty")
    assert not (tmp_path / "p").exists()
    assert not (tmp_path / "e").exists()


def test_the_version_can_be_asked_for():
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"utad {__version__}\n")


PREDICT = """
import json, sys
from utad.cli.app import app
try:
    app(sys.argv[1:])
except SystemExit as stop:
    assert not stop.code, stop.code
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


@pytest.mark.parametrize("runtime", ["openvino", "torch"])
def test_predict_imports_no_more_than_it_needs_and_no_cache_is_spoken_of(run, tmp_path, runtime):
    image = fabricate.save(tmp_path / "x.png", fabricate.picture())
    home = tmp_path / "a file is no home"
    home.write_bytes(b"")
    save = "maps,masks,overlays" if runtime == "openvino" else "maps,masks"
    command = ["predict", str(run), str(image), "--output", str(tmp_path / "p"), "--runtime", runtime, "--save", save]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "MPL"))}
    done = subprocess.run(
        [sys.executable, "-c", PREDICT, *command, "--json"],
        env={**environment, "HOME": str(home)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    imported = set(json.loads(done.stdout.splitlines()[-1]))
    assert imported.isdisjoint({"pytorch_lightning", "lightning_fabric", "torchmetrics"})
    if runtime == "openvino":
        assert imported.isdisjoint({"torch", "torchvision", "timm"})
    assert "matplotlib" not in imported
    assert [line for line in done.stderr.splitlines() if "atplotlib" in line or "cache" in line] == []
