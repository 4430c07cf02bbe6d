from __future__ import annotations

import os
from contextlib import ExitStack

import numpy as np
import pytest

import other_libraries
import speed
from measuring import folders
from measuring.exports import DEFAULTS, KNOWN, exports_of
from measuring.subjects import camera_images, link_files, write_jpegs
from measuring.utad_worker import GEMM, SCORE, SCORE_ALL
from measuring.workers import Detector, Method, Worker, WorkerError, environment_of, start_utad, take_turns

SCRIPT = """
import os
from measuring.answering import answer, private_stdout

answers = private_stdout()
print("what a library prints")
actions = {"works": lambda: None, "fails": lambda: 1 / 0, "dies": lambda: os._exit(9)}
answer(answers, actions, failures={"unbuilt": "no internet"})
"""


@pytest.fixture
def worker(tmp_path):
    script = tmp_path / "worker.py"
    script.write_text(SCRIPT, encoding="utf-8")
    with Worker(str(script), []) as started:
        yield started


def test_a_worker_times_each_repetition(worker):
    assert worker.actions == ["works", "fails", "dies"]
    assert worker.facts["failures"] == {"unbuilt": "no internet"}
    assert len(worker.ask("works", 4)) == 4


def test_a_method_that_fails_is_recorded_and_the_rest_goes_on(worker):
    methods = [Method("a", worker, "works"), Method("b", worker, "fails")]
    seconds, failures = take_turns(methods, 2)
    assert {name: len(values) for name, values in seconds.items()} == {"a": 6}
    assert failures == {"b": "ZeroDivisionError: division by zero"}


def test_a_worker_that_dies_fails_all_its_methods(worker):
    methods = [Method("a", worker, "dies"), Method("b", worker, "works")]
    seconds, failures = take_turns(methods, 2)
    assert seconds == {}
    assert set(failures) == {"a", "b"}
    assert all("code 9" in reason for reason in failures.values())


def test_an_export_that_cannot_be_loaded_is_recorded(tmp_path):
    with ExitStack() as stack:
        workers, failures = start_utad({"fast-onnx-fp32": Detector(tmp_path)}, tmp_path / "images.npy", stack)
    assert workers == {}
    assert "ended with code 1" in failures["fast-onnx-fp32"]


def test_a_worker_that_dies_at_once_is_an_error(tmp_path):
    script = tmp_path / "worker.py"
    script.write_text("raise SystemExit(3)", encoding="utf-8")
    with pytest.raises(WorkerError, match="ended with code 3"):
        Worker(str(script), [])


def test_methods_of_both_sides_alternate(worker):
    own, others = ([Method(name, worker, name) for name in names] for names in ("ab", "xyz"))
    assert [method.name for method in other_libraries.in_turns(own, others)] == ["a", "x", "b", "y", "z"]


def test_exports_are_named_and_those_of_other_presets_left_out():
    names = ["fast-openvino-bf16", "balanced-onnx-fp32", "fast-onnx-fp32"]
    assert [export.name for export in exports_of(names, ["fast"])] == ["fast-openvino-bf16", "fast-onnx-fp32"]
    export = KNOWN["fast-openvino-bf16"]
    assert (export.preset, export.runtime, export.precision) == ("fast", "openvino", "bf16")
    assert KNOWN.keys() >= set(DEFAULTS)
    assert "fast-onnx-bf16" not in KNOWN


@pytest.mark.parametrize(
    ("module", "argv", "message"),
    [
        (speed, ["slow"], "unknown preset slow: choose from fast"),
        (speed, ["--rounds", "0"], "must be at least 1"),
        (speed, ["--images", "3"], "--images at least 16"),
        (speed, ["--exports", "fast-onnx-bf16"], "invalid choice: 'fast-onnx-bf16'"),
        (speed, ["--before", "nowhere"], "nowhere holds no src/utad"),
        (other_libraries, ["--rounds", "0"], "expected at least 1"),
        (other_libraries, ["--exports", "fast"], "choose from"),
    ],
)
def test_wrong_arguments_are_usage_errors(module, argv, message, capsys):
    with pytest.raises(SystemExit) as error:
        module.arguments_of(argv)
    assert error.value.code == 2
    assert message in capsys.readouterr().err


def test_defaults_measure_both_presets():
    arguments = speed.arguments_of([])
    assert arguments.presets == ["fast", "balanced"]
    assert (arguments.images, arguments.memory_images, arguments.training) == (1000, 10_000, False)


def test_camera_images_are_seeded_coloured_and_all_different():
    first, second = (list(camera_images(3, side=64, seed=5)) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert first[0].shape == (64, 64, 3)
    assert not np.array_equal(first[0][..., 0], first[0][..., 1])
    assert not np.array_equal(first[0], first[1])


def test_a_large_folder_takes_the_place_of_a_small_one(tmp_path):
    files = write_jpegs(tmp_path / "jpeg", 2)
    folder = link_files(files, tmp_path / "many", 5)
    assert len(list(folder.iterdir())) == 5
    assert sum(file.stat().st_ino == files[0].stat().st_ino for file in folder.iterdir()) == 3


def test_a_detector_answers_as_a_worker_by_both_routes(run, tmp_path):
    images = tmp_path / "images.npy"
    np.save(images, np.zeros((2, 40, 48, 3), np.uint8))
    with ExitStack() as stack:
        detectors = {"default": Detector(run), "eager": Detector(run, eager=True)}
        workers, failures = start_utad(detectors, images, stack)
        assert failures == {}
        assert workers["default"].facts["torch_imported"] is False
        assert workers["default"].actions == [SCORE, SCORE_ALL]
        assert workers["eager"].actions == [SCORE, SCORE_ALL, GEMM]
        assert all(len(worker.ask(action, 2)) == 2 for worker in workers.values() for action in worker.actions)


def test_a_worker_imports_the_utad_of_the_source_tree_it_is_given(tmp_path):
    package = tmp_path / "src" / "utad"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit(7)", encoding="utf-8")
    with ExitStack() as stack:
        _, failures = start_utad({"a": Detector(tmp_path, source=tmp_path)}, tmp_path / "images.npy", stack)
    assert "ended with code 7" in failures["a"]
    assert environment_of(tmp_path)["PYTHONPATH"].split(os.pathsep)[1] == str(tmp_path / "src")


def test_figures_of_an_earlier_version_stand_apart_under_the_same_names():
    def both(value: float) -> dict:
        return {"fast-default": value, "before fast-default": 10 * value}

    measured = {
        "latency": both(1),
        "batch_16": {"multiply_adds_per_second": 5, "runtimes": both(2)},
        "start_up": both(3),
    }
    document = speed.with_before(measured, "0123")
    assert document["latency"] == {"fast-default": 1}
    assert document["batch_16"] == {"multiply_adds_per_second": 5, "runtimes": {"fast-default": 2}}
    assert document["before"]["commit"] == "0123"
    assert [document["before"][part] for part in ("latency", "batch_16", "start_up")] == [
        {"fast-default": value} for value in (10, 20, 30)
    ]


def test_the_graph_takes_seconds_to_write_and_its_lack_is_an_error(run, monkeypatch):
    assert 0 < folders.save_graph(str(run)) < 120
    monkeypatch.setattr("utad.export.beside.write_beside", lambda *_: None)
    with pytest.raises(FileNotFoundError, match="no graph was written"):
        folders.save_graph(str(run))


def test_a_start_is_a_whole_process_and_the_first_round_is_not_counted(run, tmp_path, monkeypatch):
    calls = []

    def run_utad(*arguments, environment):
        calls.append(arguments[-2:])
        return {}, float(len(calls))

    monkeypatch.setattr(folders, "run_utad", run_utad)
    timed = folders.start_up({"a": Detector(run), "b": Detector(run, eager=True)}, tmp_path / "image.png", 3)
    assert calls == [("--save", "none"), ("--runtime", "torch")] * 4
    assert timed["a"] == {"median_s": 5.0, "range_s": [3.0, 7.0], "n": 3}
