from __future__ import annotations

import pytest

from measuring.parts import scoring_actions, time_scoring, time_training
from measuring.subjects import write_jpegs
from measuring.timing import multiply_adds


@pytest.fixture
def files(tmp_path):
    return write_jpegs(tmp_path / "jpeg", 2)


def test_every_part_of_scoring_is_timed_and_the_arithmetic_adds_up(run, files):
    parts = time_scoring(str(run), [str(file) for file in files], 1)["parts"]
    assert {"decoding", "resizing", "IE-Net", "post-processing", "whole"} <= set(parts)
    assert {"component input", "component residual", "component neighbours"} <= set(parts)
    backbone = next(name for name in parts if name.endswith("in one batch"))
    networks = ("IE-Net", "Expert-Net, m_hat", "Expert-Net, x_hat", backbone, "feature impression")
    sequence = (*networks, "measurement, all components")
    arithmetic = {name: part["multiply_adds"] for name, part in parts.items()}
    # What no component compares is restored on demand.
    later = "restored images, on demand"
    assert arithmetic["whole"] + arithmetic[later] == sum(arithmetic[name] for name in sequence)
    assert arithmetic["Expert-Net, m_hat"] == arithmetic["Expert-Net, x_hat"] == arithmetic[later] > 0
    components = sum(part["multiply_adds"] for name, part in parts.items() if name.startswith("component "))
    assert arithmetic["measurement, all components"] == components > 0


def test_post_processing_gives_what_the_engine_gives(detector, files):
    actions = scoring_actions(detector, files)
    predictions = actions["whole"]()
    for result, (_, prediction) in zip(actions["post-processing"](), predictions, strict=True):
        assert result.pred_score == pytest.approx(prediction.pred_score, rel=1e-5)
        assert result.anomaly_map.shape == prediction.anomaly_map.shape == (300, 300)
    assert set(actions["restored images, on demand"]()[1]) == {"impression", "naive_impression", "reconstruction"}


def test_the_backbone_sees_the_images_that_are_compared(detector, files):
    actions = scoring_actions(detector, files)
    count = len(detector.network_.measurement.compared)
    together = actions[f"backbone, {count} images in one batch"]
    assert multiply_adds(together) == count * multiply_adds(actions["backbone, one image"])


def test_both_stages_and_the_batches_are_timed(monkeypatch):
    from measuring import parts
    from tests.conftest import TINY
    from utad.config import load_config

    monkeypatch.setattr(parts, "load_config", lambda preset: load_config(preset, overrides=TINY))
    timed = time_training("fast", 1)
    assert timed["precision"] == "32-true"
    assert timed["parts"]["batch preparation"]["multiply_adds"] == 0
    assert min(timed["parts"][f"stage {stage}, one step"]["multiply_adds"] for stage in (1, 2)) > 0
