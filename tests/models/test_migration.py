from __future__ import annotations

import re

import pytest
import torch
from torch import nn

from tests import fabricate
from utad import UTAD, model_file
from utad.config import load_config
from utad.model_file import read_model
from utad.models.ie_net import Decoder, Encoder
from utad.models.migration import FORMAT_VERSION, upgrade
from utad.run_folder import find_model
from utad.scoring.calibration import calibrate
from utad.scoring.network import build_network


def branch(in_channels: int, filters: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, filters, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(filters),
        nn.LeakyReLU(0.1),
    )


class BlockOfFormat1(nn.Module):
    """An inception block as it was: four branches, each with a batch norm of its own."""

    def __init__(self, in_channels: int, filters: int) -> None:
        super().__init__()
        self.point = branch(in_channels, filters, 1)
        self.small = branch(in_channels, filters, 3)
        self.large = branch(in_channels, filters, 5)
        self.pooled = nn.Sequential(
            nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False), branch(in_channels, filters, 1)
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return torch.cat([part(features) for part in (self.point, self.small, self.large, self.pooled)], dim=1)


def with_statistics(module: nn.Module) -> nn.Module:
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            for tensor in (norm.weight, norm.bias, norm.running_mean):
                nn.init.normal_(tensor)
            nn.init.uniform_(norm.running_var, 0.5, 2.0)
            norm.num_batches_tracked += 7
    return module.eval()


@torch.no_grad()
def test_an_encoder_of_format_1_gives_the_same_features():
    torch.manual_seed(0)
    old = nn.Sequential(BlockOfFormat1(3, 2), nn.MaxPool2d(2), BlockOfFormat1(8, 3), nn.MaxPool2d(2))
    prefix = "two_stage.ie_net.encoder."
    stored = {f"{prefix}layers.{name}": tensor for name, tensor in with_statistics(old).state_dict().items()}
    new = Encoder(3, (2, 3), (2, 2)).eval()
    upgraded = upgrade(stored, 1)
    new.load_state_dict({name.removeprefix(prefix): tensor for name, tensor in upgraded.items()})
    images = torch.rand(2, 3, 16, 16)
    torch.testing.assert_close(new(images), old(images))
    assert new.layers[2].norm.num_batches_tracked == 7


@torch.no_grad()
def test_a_decoder_of_format_1_gives_the_same_image():
    torch.manual_seed(0)
    blocks = [BlockOfFormat1(5, 3), BlockOfFormat1(12, 2)]
    old = with_statistics(nn.Sequential(nn.Upsample(scale_factor=2), blocks[0], nn.Upsample(scale_factor=4), blocks[1]))
    new = Decoder(5, (3, 2), (2, 4), 1, shuffle=1).eval()
    prefix = "two_stage.ie_net.decoder."
    stored = {f"{prefix}layers.{name}": tensor for name, tensor in old.state_dict().items()}
    stored |= {f"{prefix}to_image.{name}": tensor for name, tensor in new.to_image.state_dict().items()}
    upgraded = upgrade(stored, 1)
    new.load_state_dict({name.removeprefix(prefix): tensor for name, tensor in upgraded.items()})
    features = torch.rand(2, 5, 4, 4)
    torch.testing.assert_close(new(features), new.to_image(old(features)))


def test_other_tensors_are_left_alone_and_so_is_the_present_format():
    tensors = {"two_stage.ie_net.encoder.layers.0.point.weight": torch.ones(1), "normalisation.image": torch.zeros(2)}
    assert upgrade(tensors, FORMAT_VERSION) == tensors
    others = {
        "two_stage.expert_net.decoders.0.upsampling.1.weight": torch.ones(1),
        "two_stage.ie_net.decoder.to_image.0.weight": torch.ones(1),
        "backbone.mean": torch.ones(3),
    }
    for written_as in (1, 2):
        assert upgrade(others, written_as) == others
    with pytest.raises(KeyError, match=r"pooled\.1\.0\.weight"):
        upgrade({"two_stage.ie_net.encoder.layers.0.point.0.weight": torch.ones(1)}, 1)


@pytest.mark.parametrize("written_as", [1, 2])
def test_measurement_and_normalisation_get_their_present_names(written_as):
    names = {
        "measurement.terms.input-near.whitening": "measurement.components.input-near.distance.whitening",
        "measurement.terms.neighbours.scale": "measurement.components.neighbours.distance.scale",
        "measurement.scales.whole.location": "measurement.components.whole.standardisation.mean",
        "measurement.scales.whole.spread": "measurement.components.whole.standardisation.deviation",
        "measurement.scales.whole.of_images": "measurement.components.whole.standardisation.of_images",
        "calibration.image": "normalisation.image",
        "calibration.pixel": "normalisation.pixel",
    }
    tensors = {name: torch.full((2,), float(index)) for index, name in enumerate(names)}
    upgraded = upgrade(tensors, written_as)
    assert upgraded.keys() == {*names.values(), "normalisation.normal"}
    assert upgraded["normalisation.normal"].numel() == 0
    assert all(upgraded[new] is tensors[old] for old, new in names.items())


@pytest.mark.parametrize("written_as", [1, 2])
def test_the_backbone_is_dropped_where_pixels_are_compared(written_as):
    tensors = {"backbone.network.conv_stem.weight": torch.ones(1), "calibration.image": torch.ones(2)}
    kept = {"normalisation.image", "normalisation.normal"}
    assert upgrade(tensors, written_as, compares_pixels=True).keys() == kept
    assert upgrade(tensors, written_as).keys() == {"backbone.network.conv_stem.weight", *kept}


BLOCK = re.compile(r"(two_stage\.ie_net\.(encoder|decoder)\.layers\.)(\d+)\.(.+)")

SETTINGS = {
    "scoring": {"components": "terms", "normalise_illumination": "even_light"},
    "calibration": {"synthetic_anomalies": "corrupted_images"},
}
"""Present names and those of formats 1 and 2."""


def named_as_before(name: str) -> str:
    """The name that formats 1 and 2 had for a tensor outside the inception blocks."""
    for pattern, old in (
        (r"measurement\.components\.([^.]+)\.distance\.", r"measurement.terms.\1."),
        (r"measurement\.components\.([^.]+)\.standardisation\.mean$", r"measurement.scales.\1.location"),
        (r"measurement\.components\.([^.]+)\.standardisation\.deviation$", r"measurement.scales.\1.spread"),
        (r"measurement\.components\.([^.]+)\.standardisation\.", r"measurement.scales.\1."),
        (r"normalisation\.", "calibration."),
    ):
        if re.match(pattern, name):
            return re.sub(pattern, old, name)
    return name


def as_format_2(tensors):
    """The tensors of a detector under the names and in the shapes that format 2 had."""
    old = {}
    for name, tensor in tensors.items():
        match = BLOCK.fullmatch(name)
        if match is None:
            old[named_as_before(name)] = tensor
        elif match[4] == "point.weight":
            pooled = tensors[f"{match[1]}{match[3]}.pooled.weight"]
            old[name] = torch.cat([tensor, pooled])
        elif match[4] != "pooled.weight":
            old[name] = tensor
    return old


def as_format_1(tensors):
    """The tensors of a detector under the names and in the shapes that format 1 had."""
    branches = ("point", "small", "large", "pooled.1")
    old = {}
    for name, tensor in tensors.items():
        match = BLOCK.fullmatch(name)
        if match is None:
            old[named_as_before(name)] = tensor
            continue
        head, side, number, rest = match.groups()
        block = f"{head}{number if side == 'encoder' else 2 * int(number) + 1}."
        kind, _, field = rest.rpartition(".")
        if kind == "norm":
            parts = [tensor] * 4 if field == "num_batches_tracked" else tensor.chunk(4)
            old |= {f"{block}{branch}.1.{field}": part for branch, part in zip(branches, parts, strict=True)}
        else:
            old[f"{block}{'pooled.1' if kind == 'pooled' else kind}.0.weight"] = tensor
    return {name: tensor.clone() for name, tensor in old.items()}  # safetensors refuses shared memory


def with_former_settings(config):
    """A config as formats 1 and 2 stored it."""
    renamed = {
        section: {former.get(key, key): value for key, value in config[section].items()}
        for section, former in SETTINGS.items()
    }
    return config | renamed


@pytest.mark.parametrize(("written_as", "as_before"), [(1, as_format_1), (2, as_format_2)])
def test_a_model_file_of_an_earlier_format_is_read(run, tmp_path, monkeypatch, written_as, as_before):
    stored = read_model(find_model(run))
    old = as_before(stored.tensors)
    # Restored features are newer than both formats, and are named as they are now.
    assert {name.split(".")[0] for name in old} - {"feature_impression"} == {
        *("two_stage", "backbone", "measurement", "calibration")
    }
    del old["calibration.normal"]
    manifest = {key: stored.manifest[key] for key in ("channels", "threshold")}
    manifest["config"] = with_former_settings(stored.manifest["config"])
    assert {"terms", "even_light"} <= manifest["config"]["scoring"].keys()
    assert "corrupted_images" in manifest["config"]["calibration"]
    monkeypatch.setattr(model_file, "FORMAT_VERSION", written_as)
    model_file.write_model(tmp_path / "old.safetensors", manifest, old)
    monkeypatch.undo()
    assert read_model(tmp_path / "old.safetensors").manifest["format"] == written_as
    assert old.keys() != stored.tensors.keys()
    detector, expected = UTAD.load(tmp_path / "old.safetensors"), UTAD.load(run)
    assert detector.config == expected.config
    found, tensors = detector.network_.state_dict(), expected.network_.state_dict()
    assert found.keys() == tensors.keys()
    assert found["normalisation.normal"].numel() == 0
    assert all(torch.equal(found[name], tensors[name]) for name in tensors if name != "normalisation.normal")


def test_a_model_file_of_format_2_that_compares_pixels_is_read_without_its_backbone(tmp_path, monkeypatch):
    overrides = ["image.size=64", "scoring.method=paper", "scoring.space=pixels"]
    config = load_config(overrides=overrides)
    network = build_network(config, 1)
    calibrate(network, torch.rand(4, 1, 64, 64), torch.ones(4, dtype=torch.bool), config)
    tensors = as_format_2(network.state_dict()) | {"backbone.mean": torch.zeros(1, 3, 1, 1)}
    settings = with_former_settings(config.model_dump(mode="json"))
    monkeypatch.setattr(model_file, "FORMAT_VERSION", 2)
    model_file.write_model(tmp_path / "old.safetensors", {"config": settings, "channels": 1, "threshold": 0.5}, tensors)
    monkeypatch.undo()
    found = UTAD.load(tmp_path / "old.safetensors").network_.state_dict()
    assert found.keys() == network.state_dict().keys()
    expected = network.state_dict() | {"normalisation.normal": found["normalisation.normal"]}
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


def test_a_model_file_of_format_4_keeps_its_normal_scores_and_explains_without_normal_images(
    run, tmp_path, monkeypatch
):
    stored = read_model(find_model(run))
    assert stored.normal_images is not None
    manifest = {**stored.manifest, "config": {**stored.manifest["config"]}}
    del manifest["config"]["explain"]
    monkeypatch.setattr(model_file, "FORMAT_VERSION", 4)
    model_file.write_model(tmp_path / "old.safetensors", manifest, stored.tensors)
    monkeypatch.undo()
    detector, expected = UTAD.load(tmp_path / "old.safetensors"), UTAD.load(run)
    assert detector.normal_scores == expected.normal_scores != ()
    assert detector.normal_images is None
    explanation = detector.explain(fabricate.picture())
    assert explanation.neighbours == ()
    assert "keeps no pictures" in explanation.without_neighbours
    assert explanation.shares == pytest.approx(expected.explain(fabricate.picture()).shares)
