"""Commands that take no time stand for `utad train`, whose own run is in tests/cli/test_train_all.py."""

from __future__ import annotations

import json
import sys

import pytest

from tests.products.conftest import REPORT
from utad.errors import OutputError
from utad.products.training import train_products


def printing(name: str) -> list[str]:
    """A command that says, for the number of images, how many threads it has."""
    code = f"import json, os; report = {REPORT!r}; report['n_images'] = int(os.environ['OMP_NUM_THREADS']); "
    return [sys.executable, "-S", "-c", code + "print('a library says something'); print(json.dumps(report))"]


def failing(name: str) -> list[str]:
    return [sys.executable, "-S", "-c", f"import sys; sys.exit('error: {name} has no images')"]


def test_one_that_fails_does_not_stop_the_others_and_is_named(folder_of, output, statuses, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "6")
    with folder_of(["bottle", "cable", "screw"]) as folder:
        train_products(folder, lambda name: (failing if name == "bottle" else printing)(name), jobs=2)
    assert statuses() == {"bottle": "failed", "cable": "trained", "screw": "trained"}
    bottle, cable, _ = folder.index.products
    assert bottle.error == "bottle has no images"
    assert cable.data.n_images == 3
    assert (output / "bottle" / "train.log").read_text(encoding="utf-8") == "error: bottle has no images\n"


def test_only_what_is_not_trained_is_trained_when_it_is_run_again(folder_of, output, statuses):
    def train(name: str) -> list[str]:
        asked.append(name)
        (output / name / "model.safetensors").touch()
        return printing(name)

    asked: list[str] = []
    with folder_of() as folder:
        train_products(folder, lambda name: failing(name) if name == "cable" else train(name), jobs=1)
    with folder_of(resume=True) as folder:
        train_products(folder, train, jobs=1)
    assert asked == ["bottle", "cable"]
    assert statuses() == {"bottle": "trained", "cable": "trained"}


def test_a_place_that_cannot_be_written_to_is_named(folder_of, output):
    output.mkdir()
    (output / "bottle").touch()
    folder = folder_of()
    with pytest.raises(OutputError, match=r"cannot write .*bottle"), folder:
        train_products(folder, printing, jobs=1)


def test_an_error_on_the_way_ends_the_processes_that_run(folder_of, statuses, tmp_path):
    marker = tmp_path / "ended"
    code = (
        "import signal, sys, time, pathlib\n"
        f"def end(*_): pathlib.Path({str(marker)!r}).touch(); sys.exit(1)\n"
        "signal.signal(signal.SIGTERM, end)\nprint(file=sys.stderr, flush=True)\ntime.sleep(100)"
    )

    def command(name: str) -> list[str]:
        if name == "bottle":
            return [sys.executable, "-S", "-c", code]
        until_it_sleeps = f"import os, time\nwhile not os.path.getsize({str(log)!r}): time.sleep(0.01)\nprint('{{}}')"
        return [sys.executable, "-S", "-c", until_it_sleeps]

    folder = folder_of()
    log = folder.log("bottle")
    with pytest.raises(KeyError), folder:
        train_products(folder, command, jobs=2)
    assert marker.exists()
    assert statuses() == {"bottle": "interrupted", "cable": "interrupted"}


def test_the_index_says_while_it_is_trained_what_is_under_way(folder_of, output, statuses):
    index = output / "index.json"
    code = f"import json; found = json.load(open({str(index)!r})); report = {REPORT!r}; "
    code += "report['left_out'] = [one['status'] for one in found['products']]; print(json.dumps(report))"
    with folder_of() as folder:
        train_products(folder, lambda name: [sys.executable, "-S", "-c", code], jobs=1)
    assert [list(product.data.left_out) for product in folder.index.products] == [
        ["training", "waiting"],
        ["trained", "training"],
    ]
    assert json.loads(index.read_text(encoding="utf-8"))["source"] == "mvtec"
