from __future__ import annotations

import socket
import time
from pathlib import Path

import huggingface_hub.constants
import pytest
import timm
import torch
from torch import Tensor, nn

from utad.config import BackboneConfig
from utad.errors import ConfigError, WeightsError
from utad.models.backbones import Backbone, build_backbone
from utad.models.weights import load_bundled


def images(count: int = 2, size: int = 64, channels: int = 3) -> Tensor:
    return torch.rand(count, channels, size, size, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def lite0() -> Backbone:
    return build_backbone(BackboneConfig())


@pytest.fixture
def no_network(monkeypatch, tmp_path) -> list[str]:
    """An empty cache, no internet, and a list that would tell of every attempt to reach it."""
    attempts: list[str] = []

    def refuse(*arguments, **_):
        attempts.append(str(arguments))
        raise OSError("the network is unreachable")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    # The environment variables are read when huggingface_hub is imported, which has happened by now.
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    return attempts


def test_each_stage_has_the_channels_and_the_reduction_it_states(lite0):
    assert lite0.channels == (16, 24, 40, 112, 320)
    assert lite0.reductions == (2, 4, 8, 16, 32)
    features = lite0(images())
    assert [tuple(feature.shape) for feature in features] == [
        (2, channels, 64 // reduction, 64 // reduction)
        for channels, reduction in zip(lite0.channels, lite0.reductions, strict=True)
    ]


def test_its_features_are_those_of_timm_with_the_bundled_weights(lite0):
    whole = timm.create_model("tf_efficientnet_lite0")
    whole.load_state_dict(load_bundled("efficientnet_lite0"))
    expected = whole.eval().forward_intermediates((images() - 0.5) / 0.5, intermediates_only=True)
    for feature, other in zip(lite0(images()), expected, strict=True):
        assert torch.allclose(feature, other, atol=1e-4)


def test_it_stays_in_evaluation_mode_when_training_is_asked_for(lite0):
    before = {name: tensor.clone() for name, tensor in lite0.state_dict().items()}
    nn.Sequential(lite0).train()
    assert not any(module.training for module in lite0.modules())
    lite0(images())
    assert all(torch.equal(tensor, before[name]) for name, tensor in lite0.state_dict().items())


def test_nothing_in_it_is_trained_but_gradients_pass_through(lite0):
    assert not any(parameter.requires_grad for parameter in lite0.parameters())
    watched = images().requires_grad_()
    lite0(watched)[-1].sum().backward()
    assert bool((watched.grad != 0).any())


def test_a_grey_image_counts_as_three_equal_channels(lite0):
    grey = images(channels=1)
    for one, three in zip(lite0(grey), lite0(grey.repeat(1, 3, 1, 1)), strict=True):
        assert torch.equal(one, three)


def test_features_of_an_image_do_not_depend_on_its_batch(lite0):
    for together, alone in zip(lite0(images()), lite0(images()[1:]), strict=True):
        assert torch.allclose(together[1:], alone, atol=1e-4)


def test_images_are_normalised_as_timm_says():
    backbone = build_backbone(BackboneConfig(name="resnet18", stages=(0,)), pretrained=False)
    seen: list[Tensor] = []
    backbone.network.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
    backbone(images())
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    assert torch.allclose(seen[0], (images() - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1), atol=1e-6)


@pytest.mark.parametrize(("stages", "blocks"), [((0,), 1), ((1, 2), 3), ((0, 3), 5), ((4,), 7)])
def test_blocks_after_the_last_stage_are_cut_off_without_changing_the_others(lite0, stages, blocks):
    cut = build_backbone(BackboneConfig(stages=stages))
    assert len(cut.network.blocks) == blocks
    everything = build_backbone(BackboneConfig(stages=(0, 1, 2, 3, 4)))
    for feature, stage in zip(cut(images()), stages, strict=True):
        assert torch.equal(feature, everything(images())[stage])


def test_a_stage_before_the_first_block_can_be_the_last():
    # The first feature of MobileNetV3-small comes from its stem.
    backbone = build_backbone(BackboneConfig(name="mobilenetv3_small_050", stages=(0,)), pretrained=False)
    assert backbone(images())[0].shape == (2, 16, 32, 32)
    assert backbone.reductions == (2,)


def test_without_pretrained_weights_a_state_dict_fills_it(lite0):
    blank = build_backbone(BackboneConfig(), pretrained=False)
    assert not torch.allclose(blank(images())[0], lite0(images())[0], atol=1e-3)
    blank.load_state_dict(lite0.state_dict())
    assert torch.equal(blank(images())[-1], lite0(images())[-1])


def test_the_weights_of_any_timm_model_come_from_a_file(tmp_path):
    whole = timm.create_model("resnet18").eval()
    torch.save(whole.state_dict(), tmp_path / "resnet18.pth")
    backbone = build_backbone(BackboneConfig(name="resnet18", weights=tmp_path / "resnet18.pth", stages=(1, 2)))
    layers = nn.Sequential(whole.conv1, whole.bn1, whole.act1, whole.maxpool, whole.layer1)
    normalised = (images() - backbone.mean) / backbone.std
    first, second = backbone(images())
    assert torch.allclose(first, layers(normalised), atol=1e-5)
    assert torch.allclose(second, whole.layer2(layers(normalised)), atol=1e-5)


@pytest.mark.parametrize("pretrained", [True, False])
def test_an_unknown_name_is_refused_naming_the_bundled_one(pretrained):
    with pytest.raises(
        ConfigError, match="no model 'resnet_of_my_own'; bundled are efficientnet_lite0, efficientnet_lite2"
    ):
        build_backbone(BackboneConfig(name="resnet_of_my_own"), pretrained=pretrained)


@pytest.mark.parametrize(("name", "stages"), [("efficientnet_lite0", (0, 5)), ("resnet18", (9,))])
def test_a_stage_that_is_not_there_is_refused(name, stages):
    with pytest.raises(ConfigError) as caught:
        build_backbone(BackboneConfig(name=name, stages=stages), pretrained=False)
    assert f"backbone {name} does not have the stages {list(stages)}" in str(caught.value)


def test_vgg19_without_weights_and_internet_says_what_to_do(no_network):
    start = time.monotonic()
    with pytest.raises(WeightsError) as caught:
        build_backbone(BackboneConfig(name="vgg19", stages=(0, 1, 2)))
    assert time.monotonic() - start < 15
    assert no_network == []
    message = str(caught.value)
    assert "backbone vgg19 are not on this machine" in message
    assert "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth" in message
    assert "take VGG-16, which benchmarks/convert_vgg16.py writes" in message
    assert "--backbone-weights FILE" in message
    assert "--backbone efficientnet_lite0" in message


def test_vgg16_without_weights_names_the_script_that_writes_them(no_network):
    with pytest.raises(WeightsError) as caught:
        build_backbone(BackboneConfig(name="vgg16", stages=(0, 1, 2)))
    message = str(caught.value)
    assert "backbone vgg16 are not on this machine" in message
    assert "benchmarks/convert_vgg16.py" in message
    assert "https://download.pytorch.org/models/vgg16-397923af.pth" in message
    assert "--backbone-weights FILE" in message
    assert no_network == []


def test_the_advice_for_another_backbone_is_not_to_download_vgg19(no_network):
    with pytest.raises(WeightsError) as caught:
        build_backbone(BackboneConfig(name="resnet18", stages=(0, 1)))
    message = str(caught.value)
    assert "backbone resnet18" in message
    assert "vgg19" not in message
    assert "--backbone-weights FILE" in message
    assert "--backbone efficientnet_lite0" in message
    assert no_network == []


def test_a_model_that_nobody_has_trained_is_not_blamed_for_its_stages(no_network):
    # timm has the architecture dpn48b and no weights for it.
    with pytest.raises(WeightsError, match="backbone dpn48b"):
        build_backbone(BackboneConfig(name="dpn48b", stages=(0, 1)))
    assert no_network == []


def test_the_bundled_backbone_needs_no_network(no_network):
    assert len(build_backbone(BackboneConfig())(images())) == 5
    assert no_network == []


def test_a_missing_file_of_weights_is_named(no_network):
    with pytest.raises(WeightsError, match=r"no file .*gone\.pth"):
        build_backbone(BackboneConfig(name="resnet18", weights=Path("gone.pth"), stages=(0,)))
    assert no_network == []


def test_fusing_batch_norm_changes_no_feature():
    import timm

    from utad.models.backbones import fuse_batch_norm

    network = timm.create_model(
        "tf_efficientnet_lite0", pretrained=False, features_only=True, out_indices=[0, 3]
    ).eval()
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.running_mean, std=0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
    images = torch.rand(1, 3, 64, 64)
    before = network(images)
    fuse_batch_norm(network)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in network.modules())
    for one, other in zip(before, network(images), strict=True):
        torch.testing.assert_close(other, one, rtol=1e-3, atol=1e-4)
