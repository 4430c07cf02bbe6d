from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import tests
from tests.training import tiny

# Each process of the training imports this file anew: only the first may start one.
SCRIPT = """
import json
import sys
from pathlib import Path

import torch

from tests.training import tiny
from utad.training.checkpoints import read_checkpoint
from utad.training.fit import train_two_stage

if __name__ == "__main__":
    torch.set_num_threads(1)
    run = Path(sys.argv[1])
    config = tiny.config("accelerator=cpu", "devices=2")
    model = tiny.model(config)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    report = train_two_stage(model, tiny.images(), config, directory=run)
    after = model.state_dict()
    saved = read_checkpoint(run / "checkpoints" / "expert_net.ckpt")["state_dict"]
    alone = tiny.config("accelerator=cpu")
    (run / "alone").mkdir()
    train_two_stage(tiny.model(alone), tiny.images(), alone, directory=run / "alone")
    found = {
        "finite": all(bool(torch.isfinite(tensor).all()) for tensor in after.values()),
        "untrained": [n for n in after if n.endswith("weight") and torch.equal(after[n], before[n])],
        "unlike the checkpoint": [n for n in after if not torch.equal(after[n], saved[n])],
        "terms": {stage: sorted(terms) for stage, terms in report.final_terms.items()},
    }
    (run / "found.json").write_text(json.dumps(found), encoding="utf-8")
"""

FAILING = """
import json
import sys
from pathlib import Path

import torch

from tests.training import tiny
from utad.errors import TrainingError
from utad.training.checkpoints import AtomicCheckpointIO
from utad.training.fit import train_two_stage

# The stage without statistics over a batch, and without content of other images of it: a process sees a part of these.
SETTINGS = ("accelerator=cpu", "precision=fp32", "ie_training.steps=0", "expert_training.anomalous=0.0")
run, failing = Path(sys.argv[1]), Path(sys.argv[1]) / "failing"

if failing.exists():  # in the processes too, which import this file
    save = AtomicCheckpointIO.save_checkpoint

    def once(self, checkpoint, path, storage_options=None):
        if checkpoint["global_step"] == 4:
            raise OSError("no space left")
        save(self, checkpoint, path)

    AtomicCheckpointIO.save_checkpoint = once


def trained(name, devices, resume=False):
    config = tiny.config(*SETTINGS, f"devices={devices}")
    model = tiny.model(config)
    (run / name).mkdir(exist_ok=True)
    train_two_stage(model, tiny.images(8), config, directory=run / name, resume=resume)
    return model.state_dict()


if __name__ == "__main__":
    torch.set_num_threads(1)
    found = {}
    if failing.exists():
        try:
            trained("two", 2)
        except TrainingError as error:
            found["error"] = str(error)
    else:
        one, two = trained("one", 1), trained("two", 2, resume=True)
        found["apart"] = max(float((one[name] - two[name]).abs().max()) for name in one)
    (run / "found.json").write_text(json.dumps(found), encoding="utf-8")
"""

TOLERANCE = 1e-4
"""Relative, of a loss of two processes against that of one: sums in another order."""


def run_script(script: str, folder: Path) -> dict[str, Any]:
    """What a script that starts processes found, run in one of its own."""
    path = folder / "train.py"
    path.write_text(script, encoding="utf-8")
    root = Path(tests.__file__).parents[1]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(root), *sys.path])}
    done = subprocess.run(
        [sys.executable, str(path), str(folder)], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((folder / "found.json").read_text(encoding="utf-8"))


def test_two_processes_train_as_one_with_the_same_batch_also_when_one_failed_and_they_went_on(tmp_path):
    (tmp_path / "failing").touch()
    error = run_script(FAILING, tmp_path)["error"]
    assert error.startswith("one of the processes that train failed: ")
    assert "no space left" in error
    assert list(tiny.curve(tmp_path / "two" / "metrics.csv", "expert_net", "loss")) == [0, 1, 2, 3]
    (tmp_path / "failing").unlink()
    found = run_script(FAILING, tmp_path)
    for term in ("loss", "image", "impression"):
        one, two = (tiny.curve(tmp_path / name / "metrics.csv", "expert_net", term) for name in ("one", "two"))
        assert list(two) == list(range(6))
        assert two == pytest.approx(one, rel=TOLERANCE), term
    assert found["apart"] < 1e-3


def test_two_processes_train_one_network(tmp_path):
    found = run_script(SCRIPT, tmp_path)
    assert found["finite"]
    assert found["untrained"] == []
    assert found["unlike the checkpoint"] == []
    assert found["terms"] == {
        "ie_net": sorted(tiny.IE_TERMS),
        "expert_net": sorted(tiny.EXPERT_TERMS),
    }
    for stage in ("ie_net", "expert_net"):
        curve, alone = (tiny.curve(path / "metrics.csv", stage, "loss") for path in (tmp_path, tmp_path / "alone"))
        assert list(curve) == list(range(6))
        # Each process has batch statistics, pairs and donors of its own part, here of two images.
        assert sum(curve.values()) == pytest.approx(sum(alone.values()), rel=0.25)
