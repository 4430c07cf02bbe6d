from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from utad.models.ie_net import InceptionBlock


def block_of_ones(in_channels: int = 2, filters: int = 3, *, pooling: str = "average") -> InceptionBlock:
    """All convolution weights 1 and batch norm the identity, but for its epsilon."""
    block = InceptionBlock(in_channels, filters, pooling=pooling).eval()
    for module in block.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.ones_(module.weight)
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 0.0
    return block


@pytest.mark.parametrize("size", [(8, 8), (7, 5), (1, 1)])
@pytest.mark.parametrize("filters", [1, 6])
def test_the_size_is_kept_and_four_branches_are_joined(size, filters):
    block = InceptionBlock(3, filters)
    assert block(torch.rand(2, 3, *size)).shape == (2, 4 * filters, *size)
    assert block.out_channels == 4 * filters


def test_branches_sum_over_their_neighbourhoods():
    out = block_of_ones()(torch.ones(1, 2, 7, 7))
    # Two input channels of ones: 1x1, 3x3 and 5x5 sums, and the sum of an average.
    assert out[0, :, 3, 3].tolist() == [2.0] * 3 + [18.0] * 3 + [50.0] * 3 + [2.0] * 3
    # In a corner, zero padding leaves 4 of 9 and 9 of 25; the average leaves the padding out.
    assert out[0, :, 0, 0].tolist() == [2.0] * 3 + [8.0] * 3 + [18.0] * 3 + [2.0] * 3


def test_the_last_branch_takes_the_maximum_of_each_channel_where_it_is_to():
    features = torch.arange(2 * 49.0).reshape(1, 2, 7, 7)
    averaging, maximal = block_of_ones(), block_of_ones(pooling="max")
    out = maximal(features)
    assert torch.equal(out[:, :9], averaging(features)[:, :9])
    # At (3, 3) the highest value of either channel is at (4, 4): 32 and 49 + 32. In the last corner it is the corner.
    assert out[0, 9:, 3, 3].tolist() == [32.0 + 81.0] * 3
    assert out[0, 9:, 6, 6].tolist() == [48.0 + 97.0] * 3
    weights = [sum(parameter.numel() for parameter in block.parameters()) for block in (averaging, maximal)]
    assert weights[0] == weights[1]


def test_negative_values_are_multiplied_by_a_tenth():
    out = block_of_ones()(-torch.ones(1, 2, 7, 7))
    assert torch.allclose(out[0, ::3, 3, 3], -0.1 * torch.tensor([2.0, 18.0, 50.0, 2.0]))


def test_convolutions_have_no_bias_since_batch_norm_has_one():
    block = InceptionBlock(3, 4)
    convolutions = [module for module in block.modules() if isinstance(module, nn.Conv2d)]
    assert len(convolutions) == 4
    assert all(convolution.bias is None for convolution in convolutions)
    weights = 3 * 4 * (1 + 9 + 25 + 1)
    assert sum(parameter.numel() for parameter in block.parameters()) == weights + 4 * 2 * 4


def test_batch_norm_brings_a_training_batch_to_mean_0_and_variance_1_before_the_activation():
    features = InceptionBlock(3, 4).train()(10 * torch.rand(8, 3, 16, 16))
    before = torch.where(features < 0, 10 * features, features)
    assert torch.allclose(before.mean(dim=(0, 2, 3)), torch.zeros(16), atol=1e-5)
    assert torch.allclose(before.var(dim=(0, 2, 3), unbiased=False), torch.ones(16), atol=1e-3)


@pytest.mark.parametrize("pooling", ["average", "max"])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_with_a_scale_it_is_the_block_of_the_enlarged_image(scale, pooling):
    torch.manual_seed(0)
    enlarging, plain = InceptionBlock(3, 4, scale=scale, pooling=pooling), InceptionBlock(3, 4, pooling=pooling)
    plain.load_state_dict(enlarging.state_dict())
    features = torch.rand(2, 3, 5, 6)
    expected = plain(functional.interpolate(features, scale_factor=scale))
    torch.testing.assert_close(enlarging(features), expected, rtol=1e-4, atol=1e-5)


def test_the_last_branch_is_a_convolution_of_the_averages():
    torch.manual_seed(0)
    block = InceptionBlock(3, 4).eval()
    features = torch.rand(2, 3, 6, 6)
    averages = functional.avg_pool2d(features, 3, stride=1, padding=1, count_include_pad=False)
    expected = functional.leaky_relu(
        functional.conv2d(averages, block.pooled.weight) / (1 + block.norm.eps) ** 0.5, 0.1
    )
    torch.testing.assert_close(block(features)[:, 12:], expected)
