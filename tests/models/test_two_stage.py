from __future__ import annotations

import pytest
import torch
from torch import nn

from utad.config import load_config
from utad.models.build import build_two_stage
from utad.models.two_stage import ALL_IMAGES, TwoStage


def built(preset: str, *, deviation: float = 0.3) -> TwoStage:
    """An untrained network whose weights are large enough to leave [0, 1] where nothing holds it there."""
    torch.manual_seed(0)
    model = build_two_stage(load_config(preset, overrides=["expert_net.width=4"]), 3)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=deviation)
    return model.eval()


def images(count: int = 3) -> torch.Tensor:
    return torch.rand(count, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("preset", ["fast", "paper-small"])
@torch.no_grad()
def test_all_four_images_lie_in_the_unit_interval(preset):
    model = built(preset)
    restored = model(images())
    assert set(restored) == set(ALL_IMAGES)
    for image in restored.values():
        assert image.shape == (3, 3, 64, 64)
        assert 0 <= image.min() <= image.max() <= 1
    assert model.ie_net(images()).mu.shape == (3, 128)


@torch.no_grad()
def test_the_skip_of_the_fast_layout_would_leave_the_interval_without_clamping():
    model = built("fast")
    impression = model.ie_net(images()).impression.contiguous()
    raw = model.expert_net(images(), impression).reconstruction
    assert not 0 <= raw.min() <= raw.max() <= 1
    assert torch.allclose(model(images())["reconstruction"], raw.clamp(0, 1), atol=1e-5)


@pytest.mark.parametrize("preset", ["fast", "paper-small"])
@torch.no_grad()
def test_an_image_is_restored_alike_in_any_batch(preset):
    model = built(preset, deviation=0.05)
    together, latents = model(images()), model.ie_net(images()).mu
    for index in range(3):
        alone = model(images()[index : index + 1])
        assert torch.allclose(model.ie_net(images()[index : index + 1]).mu[0], latents[index], atol=1e-5)
        for name in ("reconstruction", "impression", "naive_impression"):
            assert torch.allclose(alone[name][0], together[name][index], atol=1e-5), name


@torch.no_grad()
def test_the_image_and_its_impression_are_handed_on():
    model = built("fast")
    restored = model(images())
    assert torch.equal(restored["image"], images())
    assert torch.equal(restored["impression"], model.ie_net(images()).impression)


@pytest.mark.parametrize("wanted", ["reconstruction", "naive_impression"])
@torch.no_grad()
def test_only_what_is_wanted_is_restored_and_it_is_the_same(wanted):
    model = built("fast", deviation=0.05)
    whole, part = model(images()), model(images(), ("image", wanted))
    assert torch.allclose(part[wanted], whole[wanted], atol=1e-6)
    assert set(part) == {"image", "impression", wanted}
    assert torch.equal(part["impression"], whole["impression"])


@torch.no_grad()
def test_where_the_image_alone_is_wanted_no_network_runs(monkeypatch):
    model = built("fast", deviation=0.05)
    impression = model(images(), ("impression",))
    assert set(impression) == {"image", "impression"}
    assert torch.equal(impression["impression"], model(images())["impression"])
    monkeypatch.setattr(model.ie_net, "forward", None)
    restored = model(images(), ("image",))
    assert set(restored) == {"image"}
    assert torch.equal(restored["image"], images())


@pytest.mark.parametrize("preset", ["fast", "paper-small"])
@torch.no_grad()
def test_each_restored_image_can_be_made_by_itself(preset):
    model = built(preset, deviation=0.05)
    restored = model(images())
    x, m = restored["image"], restored["impression"]
    for name in ("reconstruction", "naive_impression"):
        made = model.restored(x, m, (name,))
        assert set(made) == {name}
        assert torch.allclose(made[name], restored[name], atol=1e-6)
