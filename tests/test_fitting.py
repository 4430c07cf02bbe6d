from __future__ import annotations

import pytest
import torch

from tests.training import tiny
from utad import fitting
from utad.data.subsets import held_out_block
from utad.fitting import MARGIN, fit_network
from utad.scoring.calibration import Witness
from utad.scoring.network import DetectorNetwork, build_network

RESTORED = "scoring.components=[restored,whole]"


def fitted(*overrides: str, count: int = 20, directory=None, resume: bool = False) -> tuple[DetectorNetwork, dict]:
    config = tiny.config(*overrides)
    network = build_network(config, 1)
    trained_on = ~held_out_block(count, config.calibration.held_out)
    return network, fit_network(network, tiny.images(count), trained_on, config, directory=directory, resume=resume)


@pytest.fixture
def witnesses(monkeypatch) -> list[Witness | None]:
    """What calibration was given."""
    found: list[Witness | None] = []
    calibrate = fitting.calibrate

    def calibrating(*arguments, witness, progress):
        found.append(witness)
        calibrate(*arguments, witness=witness, progress=progress)

    monkeypatch.setattr(fitting, "calibrate", calibrating)
    return found


def test_the_witness_is_trained_without_the_held_out_block_and_its_neighbours(witnesses, monkeypatch):
    trained: dict[str, int] = {}
    train = fitting.train_feature_impression

    def training(impression, images, *arguments, name, **options):
        trained[name] = len(images)
        return train(impression, images, *arguments, name=name, **options)

    monkeypatch.setattr(fitting, "train_feature_impression", training)
    network, seconds = fitted(RESTORED, "calibration.held_out=0.2")
    (witness,) = witnesses
    far = [index for index in range(20) if not 10 - (0.1 + MARGIN) * 20 <= index < 10 + (0.1 + MARGIN) * 20]
    assert witness.trained_on.nonzero().flatten().tolist() == far
    assert witness.held_out.nonzero().flatten().tolist() == [8, 9, 10, 11]
    assert trained == {"feature_net_witness": len(far), "feature_net": 20}
    assert list(seconds) == ["ie_net", "expert_net", "feature_net_witness", "feature_net"]
    own, other = network.feature_impression.state_dict(), witness.impression.state_dict()
    assert not torch.equal(own["tail.weight"], other["tail.weight"])


def test_where_no_features_are_restored_nothing_is_trained_for_it(witnesses):
    _, seconds = fitted("scoring.components=[input,naive]", count=6)
    assert witnesses == [None]
    assert list(seconds) == ["ie_net", "expert_net"]


def test_a_finished_run_is_taken_from_its_checkpoints(tmp_path):
    first, _ = fitted(RESTORED, count=8, directory=tmp_path)
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == ["expert_net.ckpt", "feature_net.ckpt", "feature_net_witness.ckpt", "ie_net.ckpt"]
    again, seconds = fitted(RESTORED, count=8, directory=tmp_path, resume=True)
    assert set(seconds.values()) == {0.0}
    others = again.state_dict()
    assert all(torch.equal(tensor, others[name]) for name, tensor in first.state_dict().items())
    assert "feature_impression.mean" in others
