"""Real signals to real processes."""

from __future__ import annotations

import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests import fabricate
from tests.training import tiny
from utad import UTAD
from utad.cli import stopping
from utad.cli.app import app
from utad.cli.stopping import Stopped
from utad.errors import noted

SETTINGS = (
    *tiny.SETTINGS,
    "scoring.method=paper",
    "ie_training.steps=5000",
    "ie_training.checkpoint_every=5",
)


HOLD = """
import importlib, pathlib, time
def hold(*arguments, **named):
    pathlib.Path({marker!r}).touch()
    time.sleep(300)
setattr(importlib.import_module({module!r}), {name!r}, hold)
"""
"""Makes a function of a module say that it was called, and never return."""

SIGNAL_IN_A_CLASS = """
import sys
class Attribute:
    def __set_name__(self, owner, name):
        signal.raise_signal(signal.SIGINT)
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "utad.detector":
            type("New", (), {"attribute": Attribute()})
sys.meta_path.insert(0, Finder())
"""
"""Makes the signal come while an import makes a class."""

LOST = """
import time, utad.loading
def load_detector(*arguments, **named):
    try:
        signal.raise_signal(signal.SIGTERM)
    except BaseException:
        pass
    time.sleep(100)
utad.loading.load_detector = load_detector
"""
"""Makes the signal come where its exception is dropped."""


def start(*arguments: object, hold: str = "", **environment: str) -> subprocess.Popen[str]:
    # A shell's job in the background has SIGINT ignored, and its children inherit that.
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n" + hold
    code += "\nfrom utad.cli import main; main()"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(
        command,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def stopped(process: subprocess.Popen[str], number: int, reached: Callable[[], bool]) -> tuple[int, list[str]]:
    """Sends a signal, twice, once a condition holds; exit code and what was said on stderr."""
    deadline = time.monotonic() + 240
    try:
        while not reached():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        for _ in range(2):  # as somebody does who sees nothing happen at once
            process.send_signal(number)
            time.sleep(0.02)
        _, said = process.communicate(timeout=120)
    finally:
        process.kill()
        process.communicate()
    return process.returncode, said.strip().splitlines()


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("good")
    for index in range(8):
        fabricate.save(folder / f"{index}.png", fabricate.picture(32, 32, seed=index, grey=True))
    return folder


def test_train_says_what_is_kept_and_goes_on(good, tmp_path):
    run, checkpoint = tmp_path / "run", tmp_path / "run" / "checkpoints" / "ie_net.ckpt"
    arguments = ("train", good, "--output", run, *(part for setting in SETTINGS for part in ("--set", setting)))
    exit_code, lines = stopped(start(*arguments), signal.SIGTERM, checkpoint.is_file)
    assert exit_code == 143
    assert (lines[1], lines[4]) == ("reading: 8 images", "ie_net: 5000 steps")
    advice = f"stopped: what is trained is kept in {checkpoint.parent}; the same command with --resume goes on"
    assert [
        line for line in lines if not line.startswith(("reading: ", "ie_net: ", f"{good}: read as", "training on 8"))
    ] == [advice]
    assert not (run / "model.safetensors").exists()
    saved = checkpoint.stat().st_mtime_ns
    process = start(*arguments, "--resume")
    exit_code, lines = stopped(process, signal.SIGINT, lambda: checkpoint.stat().st_mtime_ns != saved)
    assert exit_code == 130
    assert any(line.startswith("ie_net goes on from step") for line in lines)
    assert lines[-1] == advice


def test_the_processes_of_a_training_end_with_it(good, tmp_path):
    run, checkpoint = tmp_path / "run", tmp_path / "run" / "checkpoints" / "ie_net.ckpt"
    settings = [part for setting in SETTINGS for part in ("--set", setting)]
    command = ("train", good, "--output", run, "--devices", 2, "--accelerator", "cpu", *settings)
    exit_code, lines = stopped(start(*command, UTAD_TEST=str(tmp_path)), signal.SIGTERM, checkpoint.is_file)
    assert exit_code == 143
    assert (
        lines[-1] == f"stopped: what is trained is kept in {checkpoint.parent}; the same command with --resume goes on"
    )
    mark = f"UTAD_TEST={tmp_path}".encode()
    left = [path for path in Path("/proc").glob("[0-9]*/environ") if mark in _read(path)]
    assert left == []


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it has ended, or is another user's
        return b""


def test_predict_leaves_what_it_scored_and_resumes_to_the_same_tables(run, tmp_path):
    for index in range(160):
        fabricate.save(tmp_path / "in" / f"{index}.png", fabricate.picture(24, 24, seed=index))
    whole, halted = tmp_path / "whole", tmp_path / "halted"
    arguments = ("predict", run, tmp_path / "in", "--save", "maps,masks,impressions", "--output")
    maps = halted / "maps"
    process = start(*arguments, halted)
    exit_code, lines = stopped(process, signal.SIGINT, lambda: maps.is_dir() and len(list(maps.glob("*.png"))) > 8)
    assert exit_code == 130
    table = (halted / "predictions.csv").read_bytes()
    n_scored = table.count(b"\n") - 1
    assert 8 <= n_scored < 160
    assert lines[-1] == (
        f"stopped: {n_scored} images are scored, in {halted / 'predictions.csv'}; "
        "the same command with --resume scores the rest"
    )
    for more in ((halted, "--resume"), (whole,)):
        assert CliRunner().invoke(app, [str(argument) for argument in (*arguments, *more)]).exit_code == 0
    for name in ("predictions.csv", "predictions.jsonl"):
        assert (halted / name).read_bytes() == (whole / name).read_bytes()
    assert (whole / "predictions.csv").read_bytes().startswith(table)
    assert len(list(maps.glob("*.png"))) == 160


def test_evaluate_leaves_the_table_of_what_it_scored(run, tmp_path):
    data = fabricate.normal_abnormal(tmp_path / "data", n_normal=100, n_abnormal=20)
    output = tmp_path / "out"
    record = output / ".utad-record.jsonl"
    process = start("evaluate", run, data, "--output", output)
    exit_code, lines = stopped(process, signal.SIGTERM, lambda: record.is_file() and b'"batch"' in record.read_bytes())
    assert exit_code == 143
    n_scored = (output / "predictions.csv").read_bytes().count(b"\n") - 1
    assert 1 <= n_scored < 120
    assert lines[-1] == (
        f"stopped: {n_scored} images are scored, in {output / 'predictions.csv'}; the same command begins anew"
    )
    assert sorted(path.name for path in output.iterdir()) == [record.name, "predictions.csv", "predictions.jsonl"]


@pytest.mark.parametrize(
    ("held", "number", "said"),
    [
        ("utad.model_file:save_file", signal.SIGINT, "nothing was written; run the same command again"),
        (
            "utad.export.beside:export_detector",
            signal.SIGTERM,
            "{model} is saved, the graph beside it is not: "
            "utad export {model.parent} --format openvino --output {model.parent}/openvino writes it",
        ),
    ],
)
def test_calibrate_leaves_the_old_model_or_the_new_one(held, number, said, run, good, tmp_path):
    folder, marker = shutil.copytree(run, tmp_path / "run"), tmp_path / "reached"
    model, before = folder / "model.safetensors", (folder / "model.safetensors").read_bytes()
    module, name = held.split(":")
    hold = HOLD.format(marker=str(marker), module=module, name=name)
    process = start("calibrate", folder, "--normal", good, "--force", "--runtime", "torch", hold=hold)
    exit_code, lines = stopped(process, number, marker.is_file)
    assert exit_code == 128 + number
    assert lines[-1] == f"stopped: {said.format(model=model)}"
    assert (model.read_bytes() == before) == said.startswith("nothing")
    assert sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in run.iterdir())
    assert math.isfinite(UTAD.load(folder).threshold)


def test_export_leaves_nothing_half_written(run, tmp_path):
    marker = tmp_path / "reached"
    hold = HOLD.format(marker=str(marker), module="utad.export.writing", name="_measure")
    process = start("export", run, "--format", "openvino", "--output", tmp_path / "graph", hold=hold)
    exit_code, lines = stopped(process, signal.SIGINT, marker.is_file)
    assert (exit_code, lines[-1]) == (130, "stopped: nothing was written; run the same command again")
    assert [path.name for path in tmp_path.iterdir()] == ["reached"]


def test_explain_says_what_it_wrote(run, good, tmp_path):
    output = tmp_path / "out"
    process = start("explain", run, good, "--output", output, "--save", "page")
    exit_code, lines = stopped(process, signal.SIGTERM, lambda: any(output.glob("pages/*.html")))
    assert exit_code == 143
    n_written = len(list(output.glob("pages/*.html")))
    assert lines[-1] == f"stopped: {n_written} images are explained, in {output}; the same command begins anew"


def test_demo_says_that_it_begins_anew(tmp_path):
    marker, output = tmp_path / "reached", tmp_path / "demo"
    hold = HOLD.format(marker=str(marker), module="utad.fitting", name="train_two_stage")
    process = start("demo", "--output", output, "--set", "image.size=32", hold=hold)
    exit_code, lines = stopped(process, signal.SIGTERM, marker.is_file)
    assert exit_code == 143
    assert lines[-1] == f"stopped: the demo in {output} is not complete; run the same command again, it begins anew"
    assert not (output / "model.safetensors").exists()


def test_benchmark_ends_its_processes_and_goes_on_with_the_same_command(tmp_path):
    output = tmp_path / "out"
    process = start("benchmark", "textures", "--categories", "brick", "--methods", "padim,utad", "--output", output)
    exit_code, lines = stopped(process, signal.SIGTERM, lambda: any(output.glob("cells/*.log")))
    assert exit_code == 143
    assert lines[-1] == f"stopped: 0 of 2 cells are done and kept in {output / 'cells'}; the same command runs the rest"
    assert not list(output.glob("cells/*.json"))


def stop_of(command: Callable[[], object]) -> stopping.Stop | None:
    with pytest.raises(BaseException) as caught:  # noqa: PT011
        command()
    return stopping.stop_behind(caught.value)


def test_the_last_note_is_the_advice_of_the_command():
    def unnoted():
        raise Stopped(signal.SIGTERM)

    def command():
        with noted(lambda: "all of it"), noted(lambda: "a part of it"):
            unnoted()

    assert stop_of(unnoted) == stopping.Stop(143, "nothing was written; run the same command again")
    assert stop_of(command) == stopping.Stop(143, "all of it")


def test_a_signal_while_a_class_is_made_is_told_from_a_bug():
    class Interrupted:
        def __set_name__(self, owner: type, name: str) -> None:
            raise Stopped(signal.SIGINT)

    def importing():
        with noted(lambda: "half is kept"):
            type("New", (), {"attribute": Interrupted()})

    def faulty():
        with noted(lambda: "half is kept"):
            raise RuntimeError

    assert stop_of(importing) == stopping.Stop(130, "half is kept")
    assert stop_of(faulty) is None


def test_a_signal_in_an_import_ends_the_command_in_one_line(tmp_path):
    (tmp_path / "in").mkdir()
    process = start("train", tmp_path / "in", "--output", tmp_path / "run", hold=SIGNAL_IN_A_CLASS)
    _, said = process.communicate(timeout=120)
    assert (process.returncode, said) == (130, "stopped: nothing was written; run the same command again\n")


def test_a_signal_whose_exception_gets_lost_is_raised_again(tmp_path):
    process = start("predict", "run", tmp_path / "in", "--output", tmp_path / "out", hold=LOST)
    _, said = process.communicate(timeout=120)
    assert (process.returncode, said) == (143, "stopped: nothing was written; run the same command again\n")


@pytest.fixture
def handled() -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        signal.signal(number, signal.SIG_DFL)
    stopping.stop_on_signals()
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number, handler in before.items():
        signal.signal(number, handler)


def test_further_signals_change_nothing_while_the_first_is_on_its_way(handled, monkeypatch):
    now = 100.0
    monkeypatch.setattr(stopping.time, "monotonic", lambda: now)
    with pytest.raises(Stopped) as first:
        signal.raise_signal(signal.SIGINT)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
        signal.raise_signal(number)
    now += stopping.GRACE
    with pytest.raises(Stopped) as second:
        signal.raise_signal(signal.SIGTERM)
    assert (first.value.number, second.value.number) == (signal.SIGINT, signal.SIGTERM)


def test_a_signal_that_takes_the_place_of_another_has_its_advice():
    def writing():
        try:
            with noted(lambda: "half is kept"):
                raise Stopped(signal.SIGINT)
        finally:
            raise Stopped(signal.SIGTERM)

    assert stop_of(writing) == stopping.Stop(143, "half is kept")
