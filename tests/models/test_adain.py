from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from utad.models.adain import AdaINResidualBlock, adaptive_instance_norm


def features(seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(2, 4, 6, 5, generator=generator) + 7


def test_each_channel_gets_the_mean_and_deviation_asked_for():
    scale = torch.tensor([[0.0, 1.0, -0.5, -3.0], [2.0, -1.0, 0.25, 9.0]])
    shift = torch.tensor([[5.0, -5.0, 0.0, 1.0], [0.5, 3.0, -2.0, 0.0]])
    styled = adaptive_instance_norm(features(), scale, shift)
    assert torch.allclose(styled.mean(dim=(2, 3)), shift, atol=1e-4)
    assert torch.allclose(styled.std(dim=(2, 3), unbiased=False), (1 + scale).abs(), atol=1e-3)


def test_value_by_hand():
    content = torch.tensor([[[[1.0, 3.0]]]])  # mean 2, deviation 1
    styled = adaptive_instance_norm(content, torch.tensor([[3.0]]), torch.tensor([[10.0]]), epsilon=0.0)
    assert styled.flatten().tolist() == [6.0, 14.0]


def test_a_style_of_zeros_is_instance_norm():
    zeros = torch.zeros(2, 4)
    assert torch.allclose(adaptive_instance_norm(features(), zeros, zeros), functional.instance_norm(features()))


def test_the_style_of_the_content_itself_is_replaced():
    scale, shift = torch.rand(2, 4), torch.rand(2, 4)
    plain = adaptive_instance_norm(features(), scale, shift)
    assert torch.allclose(adaptive_instance_norm(5 * features() - 3, scale, shift), plain, atol=1e-4)


def test_scale_and_shift_receive_gradients():
    scale, shift = torch.zeros(2, 4, requires_grad=True), torch.zeros(2, 4, requires_grad=True)
    adaptive_instance_norm(features(), scale, shift).square().sum().backward()
    # Of sum((n * (1 + a) + b)^2) at a = b = 0, with n of mean 0 and square mean 1 over 30 positions.
    assert torch.allclose(scale.grad, torch.full((2, 4), 60.0), rtol=1e-4)
    assert torch.allclose(shift.grad, torch.zeros(2, 4), atol=1e-3)


def test_a_block_needs_four_numbers_a_channel():
    assert AdaINResidualBlock(5).parameters_needed == 20


def test_the_second_half_of_the_style_belongs_to_the_second_convolution():
    block = AdaINResidualBlock(4)
    nn.init.zeros_(block.second.weight)
    style = torch.zeros(2, 16)
    assert torch.allclose(block(features(), style), features(), atol=1e-5)
    style[:, 12:] = torch.arange(4.0)
    assert torch.allclose(block(features(), style), features() + torch.arange(4.0).view(1, 4, 1, 1), atol=1e-5)


def test_the_first_half_of_the_style_belongs_to_the_first_convolution():
    torch.manual_seed(0)
    block = AdaINResidualBlock(4)
    style = torch.zeros(2, 16)
    style[:, 4:8] = -100.0  # below zero after the ReLU: nothing is left for the second convolution
    assert torch.allclose(block(features(), style), features(), atol=1e-4)
    assert not torch.allclose(block(features(), torch.zeros(2, 16)), features(), atol=1e-1)


def test_no_style_is_kept_in_the_block():
    assert sorted(AdaINResidualBlock(4).state_dict()) == [
        "first.bias",
        "first.weight",
        "second.bias",
        "second.weight",
    ]
