from __future__ import annotations

import pytest
import torch
from torch import nn

from utad.config import ExpertNetConfig
from utad.models.build import build_expert_net
from utad.models.expert_net import ExpertNet

LAYOUTS = pytest.mark.parametrize("layout", ["fast", "paper"])


def images(seed: int = 0, count: int = 2) -> torch.Tensor:
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


def built(**settings) -> ExpertNet:
    """A small Expert-Net with no weight left at zero."""
    torch.manual_seed(0)
    net = build_expert_net(ExpertNetConfig(width=4, residual_blocks=1, hidden_dim=8, **settings), 3)
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.2)
    return net.eval()


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@LAYOUTS
def test_each_direction_is_put_together_as_the_paper_says(layout):
    net = built(layout=layout)
    x, m = images(0), images(1)
    extract, decode = net.detail_extractors[0], net.decoders[0]
    restored, naive = decode(net.impression_encoder(m), extract(x)), decode(net.image_encoder(x), extract(m))
    if layout == "fast":
        restored, naive = m + restored, x + naive
    output = net(x, m)
    assert torch.equal(output.reconstruction, restored)
    assert torch.equal(output.naive_impression, naive)
    assert torch.equal(output.image_detail, extract(x))


@LAYOUTS
def test_the_naive_impression_of_some_images_is_that_among_all(layout):
    net = built(layout=layout)
    x, m = images(0), images(1)
    every, some = net(x, m), net(x, m, naive_from=1)
    torch.testing.assert_close(some.naive_impression, every.naive_impression[1:])
    assert len(some.naive_impression) == len(x) - 1
    torch.testing.assert_close(some.reconstruction, every.reconstruction)


@LAYOUTS
def test_separate_decoders_and_extractors_cost_one_more_of_each(layout):
    shared, separate = built(layout=layout, shared=True), built(layout=layout, shared=False)
    assert (len(shared.decoders), len(shared.detail_extractors)) == (1, 1)
    assert (len(separate.decoders), len(separate.detail_extractors)) == (2, 2)
    assert count(separate) - count(shared) == count(shared.decoders) + count(shared.detail_extractors)


@LAYOUTS
@pytest.mark.parametrize(
    ("part", "restores"),
    [
        ("decoders.0", True),
        ("detail_extractors.0", True),
        ("impression_encoder", True),
        ("decoders.1", False),
        ("detail_extractors.1", False),
        ("image_encoder", False),
    ],
)
def test_separate_parts_serve_one_direction_each(layout, part, restores):
    net = built(layout=layout, shared=False)
    before = net(images(0), images(1))
    for parameter in net.get_submodule(part).parameters():
        nn.init.zeros_(parameter)
    after = net(images(0), images(1))
    changed = [
        not torch.allclose(new, old, atol=1e-4)
        for new, old in (
            (after.reconstruction, before.reconstruction),
            (after.naive_impression, before.naive_impression),
        )
    ]
    assert changed == [restores, not restores]


@LAYOUTS
@pytest.mark.parametrize("shared", [True, False])
def test_without_guidance_there_is_no_detail_extractor(layout, shared):
    net = built(layout=layout, shared=shared, guidance=False)
    guided = built(layout=layout, shared=shared, guidance=True)
    assert count(guided) - count(net) == count(guided.detail_extractors) > 0
    output = net(images(0), images(1))
    assert output.image_detail.tolist() == [[0.0] * 8] * 2
    assert output.reconstruction.shape == output.naive_impression.shape == (2, 3, 32, 32)


def test_without_guidance_the_detail_is_drawn_from_the_generator():
    net = built(guidance=False)
    draws = [
        net(images(0, 400), images(1, 400), torch.Generator().manual_seed(seed)).image_detail for seed in (0, 0, 1)
    ]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    assert draws[0].mean().item() == pytest.approx(0.0, abs=0.05)
    assert draws[0].std().item() == pytest.approx(1.0, abs=0.05)


def test_without_guidance_the_result_does_not_depend_on_the_batch():
    net = built(guidance=False)
    together = net(images(0), images(1)).reconstruction
    assert torch.allclose(net(images(0)[1:], images(1)[1:]).reconstruction, together[1:], atol=1e-4)


def test_the_restored_detail_is_that_of_the_extractor():
    net = built()
    assert torch.equal(net.restored_detail(images(2)), net.image_detail(images(2)))


def test_the_restored_detail_trains_the_reconstruction_and_not_the_extractor():
    net = built()
    reconstruction = images().requires_grad_()
    net.restored_detail(reconstruction).square().sum().backward()
    assert bool((reconstruction.grad != 0).any())
    assert all(parameter.grad is None for parameter in net.parameters())
    net.image_detail(images()).square().sum().backward()
    assert all(parameter.grad is not None for parameter in net.detail_extractors.parameters())
