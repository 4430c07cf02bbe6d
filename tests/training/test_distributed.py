from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

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
    found = {
        "finite": all(bool(torch.isfinite(tensor).all()) for tensor in after.values()),
        "untrained": [n for n in after if n.endswith("weight") and torch.equal(after[n], before[n])],
        "unlike the checkpoint": [n for n in after if not torch.equal(after[n], saved[n])],
        "terms": {stage: sorted(terms) for stage, terms in report.final_terms.items()},
    }
    (run / "found.json").write_text(json.dumps(found), encoding="utf-8")
"""


def test_two_processes_train_one_network(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(SCRIPT, encoding="utf-8")
    root = Path(tests.__file__).parents[1]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(root), *sys.path])}
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert found["finite"]
    assert found["untrained"] == []
    assert found["unlike the checkpoint"] == []
    assert found["terms"] == {
        "ie_net": sorted(tiny.IE_TERMS),
        "expert_net": sorted(tiny.EXPERT_TERMS),
    }
    for stage in ("ie_net", "expert_net"):
        assert list(tiny.curve(tmp_path / "metrics.csv", stage, "loss")) == list(range(6))
