from __future__ import annotations

import re

import pytest
import torch
from torch import nn

from utad import UTAD, model_file
from utad.model_file import find_model, read_model
from utad.models.ie_net import Decoder, Encoder
from utad.models.migration import upgrade


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


def test_other_tensors_and_later_formats_are_left_alone():
    tensors = {"two_stage.ie_net.encoder.layers.0.point.weight": torch.ones(1), "calibration.image": torch.zeros(2)}
    assert upgrade(tensors, 2) == tensors
    assert upgrade({"calibration.image": tensors["calibration.image"]}, 1).keys() == {"calibration.image"}
    with pytest.raises(KeyError, match=r"pooled\.1\.0\.weight"):
        upgrade({"two_stage.ie_net.encoder.layers.0.point.0.weight": torch.ones(1)}, 1)


def as_format_1(tensors):
    """The tensors of a detector under the names and in the shapes that format 1 had."""
    block_of = re.compile(r"(two_stage\.ie_net\.(encoder|decoder)\.layers\.)(\d+)\.(.+)")
    branches = ("point", "small", "large", "pooled.1")
    old = {}
    for name, tensor in tensors.items():
        match = block_of.fullmatch(name)
        if match is None:
            old[name] = tensor
            continue
        head, side, number, rest = match.groups()
        block = f"{head}{number if side == 'encoder' else 2 * int(number) + 1}."
        kind, _, field = rest.rpartition(".")
        if kind == "norm":
            parts = [tensor] * 4 if field == "num_batches_tracked" else tensor.chunk(4)
            old |= {f"{block}{branch}.1.{field}": part for branch, part in zip(branches, parts, strict=True)}
        elif kind == "point":
            old[f"{block}point.0.weight"], old[f"{block}pooled.1.0.weight"] = tensor.chunk(2)
        else:
            old[f"{block}{kind}.0.weight"] = tensor
    return {name: tensor.clone() for name, tensor in old.items()}  # safetensors refuses shared memory


def test_a_model_file_of_format_1_is_read(run, tmp_path, monkeypatch):
    stored = read_model(find_model(run))
    monkeypatch.setattr(model_file, "FORMAT_VERSION", 1)
    old = as_format_1(stored.tensors)
    manifest = {key: stored.manifest[key] for key in ("config", "channels", "threshold")}
    model_file.write_model(tmp_path / "old.safetensors", manifest, old)
    monkeypatch.undo()
    assert read_model(tmp_path / "old.safetensors").manifest["format"] == 1
    assert old.keys() != stored.tensors.keys()
    found = UTAD.load(tmp_path / "old.safetensors").network_.state_dict()
    expected = UTAD.load(run).network_.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
