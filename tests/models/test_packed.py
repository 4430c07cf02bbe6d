from __future__ import annotations

import copy
import pickle

import pytest
import torch
from timm.layers import Conv2dSame
from torch import nn

from utad.config import load_config
from utad.models import packed as module
from utad.models.backbones import build_backbone
from utad.models.build import build_two_stage
from utad.models.folded import folded
from utad.models.packed import PackedConvolution, available, packed

pytestmark = pytest.mark.skipif(not available(), reason="this build of torch has no oneDNN")

LAYERS = {
    "3x3": lambda: nn.Conv2d(6, 8, 3, padding=1),
    "1x1": lambda: nn.Conv2d(6, 8, 1, bias=False),
    "4x4 of stride 2": lambda: nn.Conv2d(6, 8, 4, stride=2, padding=1),
    "dilated": lambda: nn.Conv2d(6, 8, 3, padding=2, dilation=2),
    "depthwise": lambda: nn.Conv2d(6, 6, 5, padding=2, groups=6),
    "reflect": lambda: nn.Conv2d(6, 8, 3, padding=1, padding_mode="reflect"),
    "transposed": lambda: nn.ConvTranspose2d(6, 8, 4, stride=2, padding=1),
    "transposed with more output": lambda: nn.ConvTranspose2d(6, 8, 3, stride=2, padding=1, output_padding=1),
    "TensorFlow 3x3": lambda: Conv2dSame(6, 8, 3, stride=2),
    "TensorFlow depthwise 5x5": lambda: Conv2dSame(6, 6, 5, stride=2, groups=6),
}
ACTIVATIONS = [None, nn.ReLU(), nn.LeakyReLU(0.1), nn.ReLU6()]


@pytest.mark.parametrize("size", [(8, 12), (9, 7), (8, 5)])
@pytest.mark.parametrize("name", LAYERS)
def test_it_gives_what_the_layer_gives(name, size):
    torch.manual_seed(0)
    layer = LAYERS[name]().requires_grad_(requires_grad=False)
    features = torch.randn(2, 6, *size)
    for memory_format in (torch.contiguous_format, torch.channels_last):
        given = features.contiguous(memory_format=memory_format)
        torch.testing.assert_close(PackedConvolution(layer)(given), layer(given), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
@pytest.mark.parametrize("name", ["3x3", "transposed"])
def test_the_activation_is_within(name, activation):
    torch.manual_seed(0)
    layer = LAYERS[name]().requires_grad_(requires_grad=False)
    features = 20 * torch.randn(2, 6, 8, 8)
    expected = activation(layer(features)) if activation is not None else layer(features)
    torch.testing.assert_close(PackedConvolution(layer, activation)(features), expected, rtol=1e-5, atol=1e-4)


def test_activations_are_taken_in_where_the_order_is_known():
    class Swapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.convolution = nn.Conv2d(3, 3, 1)
            self.activation = nn.ReLU()

        def forward(self, features):
            return self.convolution(self.activation(features))

    torch.manual_seed(0)
    swapped, features = Swapped().requires_grad_(requires_grad=False), torch.randn(1, 3, 4, 4)
    torch.testing.assert_close(packed(swapped)(features), swapped(features))
    in_sequence = packed(nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU()))
    assert isinstance(in_sequence[0].activation, nn.ReLU)
    assert isinstance(in_sequence[1], nn.Identity)


@pytest.mark.parametrize("size", [64, 70])
def test_the_packed_backbone_gives_the_same_features(size):
    config = load_config("fast").backbone
    backbone = build_backbone(config)
    prepared = packed(backbone, in_order=True)
    assert not any(type(child) in (nn.Conv2d, Conv2dSame) for child in unpacked_children(prepared))
    images = torch.rand(3, 3, size, size)
    with torch.inference_mode():
        for found, expected in zip(prepared(images), backbone(images), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


@pytest.mark.parametrize("preset", ["fast", "paper-small"])
@pytest.mark.parametrize("channels", [1, 3])
def test_packed_networks_restore_the_same_images(preset, channels):
    torch.manual_seed(0)
    trained = build_two_stage(load_config(preset), channels)
    images = torch.rand(2, channels, 64, 64)
    for _ in range(50):  # until its batch norm knows these images: a flat impression has no details to compare
        trained.ie_net(images)
    plain = folded(trained)
    prepared = packed(plain)
    assert not list(unpacked_children(prepared))
    with torch.inference_mode():
        expected, found = plain(images), prepared(images)
    for name in ("impression", "naive_impression", "reconstruction"):
        torch.testing.assert_close(getattr(found, name), getattr(expected, name), rtol=1e-4, atol=1e-4)


def unpacked_children(prepared: nn.Module):
    for parent in prepared.modules():
        if not isinstance(parent, PackedConvolution):
            yield from (child for child in parent.children() if isinstance(child, nn.Conv2d | nn.ConvTranspose2d))


@pytest.mark.parametrize(
    "again", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))], ids=["copy", "pickle"]
)
def test_copies_compute_the_same(again):
    layer = PackedConvolution(nn.Conv2d(3, 4, 3, padding=1).requires_grad_(requires_grad=False), nn.ReLU())
    features = torch.randn(1, 3, 6, 6)
    assert torch.equal(again(layer)(features), layer(features))


def test_what_samples_other_positions_is_left_as_it_is():
    layer = nn.Sequential(Conv2dSame(3, 4, 1, stride=2)).requires_grad_(requires_grad=False)
    assert type(packed(layer)[0]) is Conv2dSame


def test_without_onednn_nothing_is_packed(monkeypatch):
    monkeypatch.setattr(module, "available", lambda: False)
    layers = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU())
    prepared = packed(layers)
    assert [type(layer) for layer in prepared] == [nn.Conv2d, nn.ReLU]
    assert prepared is not layers
