from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from utad.models.upsampling import UpsampledConv


@pytest.mark.parametrize(("kernel", "scale"), [(3, 2), (5, 4), (1, 2), (5, 3), (3, 1)])
def test_it_is_a_convolution_of_the_enlarged_image(kernel, scale):
    torch.manual_seed(0)
    layer = UpsampledConv(6, 4, kernel, scale=scale)
    features = torch.rand(2, 6, 5, 8)
    enlarged = functional.interpolate(features, scale_factor=scale, mode="nearest")
    expected = functional.conv2d(enlarged, layer.weight, layer.bias, padding=kernel // 2)
    torch.testing.assert_close(layer(features), expected, rtol=1e-5, atol=1e-5)


def test_gradients_are_those_of_the_two_steps():
    torch.manual_seed(0)
    layer = UpsampledConv(3, 2, 3, scale=2).double()
    features = torch.rand(1, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    layer(features).square().sum().backward()
    own = features.grad.clone(), layer.weight.grad.clone()
    features.grad = layer.weight.grad = None
    functional.conv2d(
        functional.interpolate(features, scale_factor=2), layer.weight, layer.bias, padding=1
    ).square().sum().backward()
    torch.testing.assert_close(own, (features.grad, layer.weight.grad))


@pytest.mark.parametrize(("kernel", "scale", "bias"), [(3, 2, True), (5, 4, False), (3, 1, True)])
def test_the_layer_for_inference_gives_the_same(kernel, scale, bias):
    layer = UpsampledConv(6, 4, kernel, scale=scale, bias=bias)
    features = torch.rand(2, 6, 5, 8)
    torch.testing.assert_close(layer.for_inference()(features), layer(features))
