from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file

from tests import fabricate
from tests.training import tiny
from utad.detector import UTAD
from utad.training.checkpoints import read_checkpoint

STEPS = 80
OVERRIDES = (
    *tiny.SETTINGS,
    "scoring.method=paper",
    f"ie_training.steps={STEPS}",
    f"expert_training.steps={STEPS}",
    "ie_training.checkpoint_every=8",
    "expert_training.checkpoint_every=8",
)


def start(data: Path, run: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """`utad train` in a process of its own, with one thread as in this one."""
    command = [sys.executable, "-c", "from utad.cli import main; main()", "train", str(data), "--output", str(run)]
    settings = [part for override in OVERRIDES for part in ("--set", override)]
    return subprocess.Popen(
        [*command, *settings, *arguments], env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.PIPE
    )


def kill_when(process: subprocess.Popen[bytes], reached: Callable[[], bool]) -> None:
    """Sends SIGKILL a few steps after a condition holds."""
    deadline = time.monotonic() + 120
    try:
        while not reached():
            assert process.poll() is None, process.stderr.read().decode()
            assert time.monotonic() < deadline
            time.sleep(0.002)
        time.sleep(0.05)
        assert process.poll() is None, "the run was over before it could be killed"
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert process.returncode == -signal.SIGKILL


def steps_written(run: Path, stage: str) -> int:
    """How many steps of a stage `metrics.csv` holds at this moment."""
    path = run / "metrics.csv"
    return path.read_text(encoding="utf-8").count(f"\n{stage},") // 5 if path.is_file() else 0


def steps_saved(run: Path, stage: str) -> int | None:
    """The step that the checkpoint of a stage goes on from."""
    path = run / "checkpoints" / f"{stage}.ckpt"
    return int(read_checkpoint(path)["global_step"]) if path.is_file() else None


def test_a_run_killed_in_both_stages_ends_in_the_same_model(tmp_path):
    data, killed, whole = tmp_path / "good parts", tmp_path / "killed", tmp_path / "whole"
    for index in range(12):
        fabricate.save(data / f"{index}.png", fabricate.picture(32, 32, seed=index, grey=True))

    process = start(data, killed)
    kill_when(process, lambda: steps_written(killed, "ie_net") >= 16)
    saved = steps_saved(killed, "ie_net")
    assert saved is not None
    assert 8 <= saved < STEPS
    assert steps_saved(killed, "expert_net") is None

    process = start(data, killed, "--resume")
    kill_when(process, lambda: steps_written(killed, "expert_net") >= 16)
    assert steps_saved(killed, "ie_net") == STEPS
    saved = steps_saved(killed, "expert_net")
    assert saved is not None
    assert 8 <= saved < STEPS
    assert not (killed / "model.safetensors").exists()

    for directory, resume in ((killed, True), (whole, False)):
        UTAD(overrides=OVERRIDES).fit(data, output=directory, resume=resume)
    weights, expected = load_file(killed / "model.safetensors"), load_file(whole / "model.safetensors")
    assert weights.keys() == expected.keys()
    assert [name for name in expected if not torch.equal(weights[name], expected[name])] == []
    for stage in ("ie_net", "expert_net"):
        resumed = tiny.curve(killed / "metrics.csv", stage, "loss")
        assert resumed == tiny.curve(whole / "metrics.csv", stage, "loss")
        assert list(resumed) == list(range(STEPS))
