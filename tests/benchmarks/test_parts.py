from __future__ import annotations

import pytest

from measuring.parts import count_scoring, count_training, scoring_actions, time_scoring, time_training
from measuring.subjects import write_jpegs
from measuring.timing import multiply_adds
from utad.model_file import find_model


@pytest.fixture
def files(tmp_path):
    return write_jpegs(tmp_path / "jpeg", 2)


def test_every_part_of_scoring_is_timed_and_the_arithmetic_adds_up(run, files):
    model, names = str(find_model(run)), [str(file) for file in files]
    timed = time_scoring(model, names, 1, count_scoring(model, names))
    parts = timed["parts"]
    assert {"decoding", "resizing", "IE-Net", "post-processing", "whole"} <= set(parts)
    assert {"term input", "term residual", "term neighbours"} <= set(parts)
    stacked = next(name for name in parts if name.endswith("stacked"))
    sequence = ("IE-Net", "Expert-Net, m_hat", "Expert-Net, x_hat", stacked, "measurement with all terms")
    arithmetic = {name: part["multiply_adds"] for name, part in parts.items()}
    # What the measurement does not need is restored for the pictures, when somebody looks at them.
    later = "pictures, with the image left to restore"
    assert arithmetic["whole"] + arithmetic[later] == sum(arithmetic[name] for name in sequence)
    assert arithmetic["Expert-Net, m_hat"] == arithmetic["Expert-Net, x_hat"] == arithmetic[later] > 0
    terms = sum(part["multiply_adds"] for name, part in parts.items() if name.startswith("term "))
    assert parts["measurement with all terms"]["multiply_adds"] == terms > 0


def test_the_backbone_sees_the_images_that_are_compared(detector, files):
    actions = scoring_actions(detector, detector.network_, files)
    needed = len(detector.network_.measurement.needed)
    stacked = actions[f"backbone, {needed} images stacked"]
    assert multiply_adds(stacked) == needed * multiply_adds(actions["backbone, one image"])


def test_both_stages_and_the_batches_are_timed(monkeypatch):
    from measuring import parts
    from tests.conftest import TINY
    from utad.config import load_config

    monkeypatch.setattr(parts, "load_config", lambda preset: load_config(preset, overrides=TINY))
    timed = time_training("fast", 1, count_training("fast"))
    assert timed["precision"] == "32-true"
    assert timed["parts"]["batch preparation"]["multiply_adds"] == 0
    assert min(timed["parts"][f"stage {stage}, one step"]["multiply_adds"] for stage in (1, 2)) > 0
