from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from utad.config import load_config
from utad.models.build import build_two_stage
from utad.models.folded import FoldedInception, folded
from utad.models.inception import InceptionBlock


def trained_block(in_channels: int, filters: int, scale: int = 1) -> InceptionBlock:
    """A block whose batch norm has seen something; scales of both signs, as training may leave them."""
    torch.manual_seed(0)
    block = InceptionBlock(in_channels, filters, scale=scale)
    nn.init.normal_(block.norm.weight)
    nn.init.normal_(block.norm.bias)
    for _ in range(5):
        block(3 * torch.randn(4, in_channels, 12, 12) - 1)
    return block.eval()


@pytest.mark.parametrize("filters", [8, 12], ids=["3x3 and 5x5 together", "apart"])
@pytest.mark.parametrize("scale", [1, 2, 3])
def test_a_folded_block_gives_what_the_block_gives(filters, scale):
    block = trained_block(3, filters, scale)
    features = torch.randn(2, 3, 9, 7)
    torch.testing.assert_close(FoldedInception(block)(features), block(features), rtol=1e-4, atol=1e-5)


def test_with_pooling_it_gives_the_largest_values_of_the_block():
    block = trained_block(3, 8)
    assert (block.norm.weight < 0).any()
    features = torch.randn(2, 3, 12, 8)
    expected = functional.max_pool2d(block(features), 4)
    torch.testing.assert_close(FoldedInception(block, pool=4)(features), expected, rtol=1e-4, atol=1e-5)


def test_narrow_blocks_have_one_wide_convolution_and_others_two():
    assert [layer.out_channels for layer in FoldedInception(trained_block(3, 8)).wide] == [16]
    assert [layer.out_channels for layer in FoldedInception(trained_block(3, 12)).wide] == [12, 12]


@pytest.mark.parametrize("preset", ["fast", "paper-small"])
def test_folded_networks_restore_the_same_images_and_leave_the_trained_ones_alone(preset):
    torch.manual_seed(0)
    trained = build_two_stage(load_config(preset), 3).double()
    trained.ie_net(torch.rand(4, 3, 64, 64, dtype=torch.float64))  # so that batch norm is not the identity
    trained.eval()
    images = torch.rand(2, 3, 64, 64, dtype=torch.float64)
    before = {name: tensor.clone() for name, tensor in trained.state_dict().items()}
    with torch.inference_mode():
        expected, found = trained(images), folded(trained)(images)
    for name in ("impression", "naive_impression", "reconstruction", "latent"):
        torch.testing.assert_close(getattr(found, name), getattr(expected, name), rtol=1e-9, atol=1e-9)
    after = trained.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


def test_a_folded_network_has_no_batch_norm_and_nothing_to_train():
    prepared = folded(build_two_stage(load_config("fast"), 1))
    assert not any(isinstance(module, nn.BatchNorm2d) for module in prepared.ie_net.modules())
    assert not any(parameter.requires_grad for parameter in prepared.parameters())
    assert not prepared.training
