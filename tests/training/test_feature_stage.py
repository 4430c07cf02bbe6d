from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.training import tiny
from utad.errors import NonFiniteLossError, TrainingError
from utad.models.build import build_feature_impression
from utad.models.feature_impression import FeatureImpression
from utad.training.checkpoints import AtomicCheckpointIO
from utad.training.fit import TrainingReport, train_feature_impression

SETTINGS = ("feature_net.width=8", "feature_net.code_channels=4", "feature_training.batch_size=4")
SHORT = ("feature_training.steps=6", "feature_training.checkpoint_every=2")


class Killed(BaseException):
    """Stands for the end of the process."""


def examples(count: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    """Features of normal images, which are alike, and the same with a part changed."""
    generator = torch.Generator().manual_seed(0)
    common = torch.randn(1, 5, 8, 8, generator=generator)
    normal = 2 + common * (1 + 0.3 * torch.randn(count, 1, 1, 1, generator=generator))
    anomalous = normal.clone()
    anomalous[:, :, 2:5, 3:6] += 4
    return normal.half(), anomalous.half()


def trained(
    *overrides: str, directory: Path | None = None, resume: bool = False, count: int = 6
) -> tuple[FeatureImpression, TrainingReport]:
    config = tiny.config(*SETTINGS, *overrides)
    torch.manual_seed(0)
    network = build_feature_impression(config.feature_net, 5)
    normal, anomalous = examples()
    report = train_feature_impression(
        network,
        tiny.images(count),
        config,
        normal=normal,
        anomalous=anomalous,
        directory=directory,
        resume=resume,
    )
    return network, report


def same(first: FeatureImpression, second: FeatureImpression) -> bool:
    others = second.state_dict()
    return all(torch.equal(tensor, others[name]) for name, tensor in first.state_dict().items())


def test_it_learns_to_give_the_normal_features_of_an_anomalous_image():
    network, _ = trained("feature_training.steps=150")
    normal, anomalous = (part.float() for part in examples())
    with torch.no_grad():
        restored = network(anomalous)
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert float((restored - normal).square().mean()) < 0.3 * float((anomalous - normal).square().mean())


def test_an_interrupted_run_goes_on_to_the_same_weights(tmp_path, monkeypatch):
    whole, report = trained(*SHORT, directory=tmp_path / "whole")
    assert report.final_terms["feature_net"].keys() == {"loss", "restoration"}
    losses = tiny.curve(tmp_path / "whole" / "metrics.csv", "feature_net", "restoration")
    assert list(losses) == list(range(6))

    save, saves = AtomicCheckpointIO.save_checkpoint, []

    def counting(self, checkpoint, path, storage_options=None):
        save(self, checkpoint, path)
        saves.append(path)
        if len(saves) == 2:
            raise Killed

    monkeypatch.setattr(AtomicCheckpointIO, "save_checkpoint", counting)
    with pytest.raises(Killed):
        trained(*SHORT, directory=tmp_path / "killed")
    monkeypatch.undo()
    resumed, _ = trained(*SHORT, directory=tmp_path / "killed", resume=True)
    assert same(resumed, whole)
    again, report = trained(*SHORT, directory=tmp_path / "killed", resume=True)
    assert report.seconds == {"feature_net": 0.0}
    assert same(again, whole)


def test_a_checkpoint_belongs_to_its_images_and_settings(tmp_path):
    trained(*SHORT, directory=tmp_path)
    with pytest.raises(TrainingError, match="its training images differ"):
        trained(*SHORT, directory=tmp_path, resume=True, count=7)
    with pytest.raises(TrainingError, match="its settings differ"):
        trained(*SHORT, "scoring.normalise_illumination=false", directory=tmp_path, resume=True)


def test_a_loss_that_is_not_finite_names_the_stage_and_its_setting():
    diverging = "feature_training.optimizer={name: sgd, learning_rate: 1.0e+30, schedule: constant}"
    with pytest.raises(NonFiniteLossError, match=r"stage feature_net.*feature_training\.optimizer.learning_rate"):
        trained("feature_training.steps=20", diverging)


def test_without_steps_it_stays_as_it_was_and_has_its_scale():
    torch.manual_seed(0)
    fresh = build_feature_impression(tiny.config(*SETTINGS).feature_net, 5)
    network, report = trained("feature_training.steps=0")
    assert report.seconds == {"feature_net": 0.0}
    assert torch.equal(network.tail.weight, fresh.tail.weight)
    torch.testing.assert_close(network.mean.flatten(), examples()[0].float().mean(dim=(0, 2, 3)))
