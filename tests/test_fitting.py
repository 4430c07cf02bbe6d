from __future__ import annotations

import pytest
import torch
from safetensors import safe_open

from tests import fabricate
from tests.conftest import SHORTEST, TINY
from tests.scoring.calibrated import calibrated, images
from tests.training import tiny
from utad import UTAD, fitting, load_config
from utad.data.loading import LoadedImages
from utad.data.subsets import held_out_block
from utad.fitting import MARGIN, fit_network, normal_images_of
from utad.model_file import read_model, write_model
from utad.scoring.calibration import Witness
from utad.scoring.network import DetectorNetwork, build_network

RESTORED = "scoring.components=[restored,whole]"


def fitted(*overrides: str, count: int = 20, directory=None, resume: bool = False) -> tuple[DetectorNetwork, dict]:
    config = tiny.config(*overrides)
    network = build_network(config, 1)
    trained_on = ~held_out_block(count, config.calibration.held_out)
    options = {"directory": directory, "resume": resume}
    return network, fit_network(network, tiny.images(count), trained_on, config, **options).seconds


@pytest.fixture
def witnesses(monkeypatch) -> list[Witness | None]:
    """What calibration was given."""
    found: list[Witness | None] = []
    calibrate = fitting.calibrate

    def calibrating(*arguments, witness, **options):
        found.append(witness)
        return calibrate(*arguments, witness=witness, **options)

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


def loaded(count: int = 6) -> LoadedImages:
    return LoadedImages(images(count), tuple(f"{index}.png" for index in range(count)), (), 1)


def test_with_privacy_nothing_of_the_training_images_is_kept_or_saved(tmp_path):
    config = load_config(overrides=[*TINY, "scoring.components=[input-near,whole]", "explain.privacy=true"])
    assert normal_images_of(calibrated(), loaded(), config) is None
    detector = UTAD(overrides=[*SHORTEST, "explain.privacy=true"]).fit(
        [fabricate.picture(seed=seed) for seed in range(6)]
    )
    detector.save(tmp_path / "m.safetensors")
    stored = read_model(tmp_path / "m.safetensors")
    assert stored.normal_images is None
    with safe_open(tmp_path / "m.safetensors", framework="pt") as file:
        assert not any("normal_images" in name for name in file.keys())  # noqa: SIM118 - not a mapping
    explanation = UTAD.load(tmp_path / "m.safetensors").explain(fabricate.picture())
    assert explanation.neighbours == ()
    assert "explain.privacy=true" in explanation.without_neighbours


def test_what_the_model_file_keeps_of_normal_images_stays_below_its_bound(tmp_path):
    network, config = calibrated(), load_config(overrides=["explain.max_megabytes=0.02"])
    kept = normal_images_of(network, loaded(40), config)
    assert kept is not None
    assert 1 < len(kept.names) < 40
    sizes = {}
    for name, images_kept in (("with", kept), ("without", None)):
        path = tmp_path / f"{name}.safetensors"
        write_model(path, {"threshold": 0.5}, network.state_dict(), normal_images=images_kept)
        sizes[name] = path.stat().st_size
    # The header of the file has a line of some 80 bytes for each of six tensors.
    assert sizes["with"] - sizes["without"] <= 20_000 + 800


def test_a_model_that_compares_no_features_keeps_no_images():
    network = calibrated("scoring.method=paper", "scoring.space=pixels")
    assert normal_images_of(network, loaded(), load_config()) is None
