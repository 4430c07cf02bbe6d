from __future__ import annotations

import pytest
import torch
from torch import nn

from utad.models.inception import InceptionBlock, conv_norm


def block_of_ones(in_channels: int = 2, filters: int = 3) -> InceptionBlock:
    """All convolution weights 1 and batch norm the identity, but for its epsilon."""
    block = InceptionBlock(in_channels, filters).eval()
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


def test_batch_norm_brings_a_training_batch_to_mean_0_and_variance_1():
    convolution, norm, _ = conv_norm(3, 4, 3)
    features = norm(convolution(torch.rand(8, 3, 16, 16)))
    assert torch.allclose(features.mean(dim=(0, 2, 3)), torch.zeros(4), atol=1e-5)
    assert torch.allclose(features.var(dim=(0, 2, 3), unbiased=False), torch.ones(4), atol=1e-3)
