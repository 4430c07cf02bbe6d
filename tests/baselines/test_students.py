from __future__ import annotations

import pytest
import torch

from tests.baselines import easy
from utad.baselines.students import (
    PatchNetwork,
    UninformedStudents,
    channel_statistics,
    predictive_variance,
    regression_error,
)
from utad.errors import ConfigError


def test_it_learns_and_finds_the_square():
    method = UninformedStudents(size=easy.SIZE, width=16, patch=17, steps=150)
    assert easy.image_auroc(method) > 0.9
    assert easy.falls(method.losses_, to=0.95)


def test_error_and_variance_by_hand():
    predictions = torch.tensor([[1.0, 0.0], [3.0, 0.0]])[:, None, :, None, None]  # two students, two channels
    target = torch.tensor([[0.0, 1.0]])[:, :, None, None]
    # Their mean is (2, 0): squared distance 4 + 1; each is 1 away from it.
    assert regression_error(predictions, target).item() == 5
    assert predictive_variance(predictions).item() == 1


def test_the_variance_is_the_mean_square_less_the_square_of_the_mean():
    predictions = torch.randn(3, 2, 5, 4, 4)
    printed = predictions.square().sum(dim=2).mean(dim=0) - predictions.mean(dim=0).square().sum(dim=1)
    torch.testing.assert_close(predictive_variance(predictions), printed)


@pytest.mark.parametrize("patch", [17, 33, 65])
def test_a_student_sees_its_patch_and_nothing_else(patch):
    network = PatchNetwork(1, 4, patch, 4, torch.nn.AvgPool2d, torch.nn.Tanh())
    images = torch.rand(1, 1, 192, 192, requires_grad=True)
    described = network(images)
    assert described.shape == (1, 4, 192 // network.stride, 192 // network.stride)
    centre = described.shape[-1] // 2
    gradient = torch.autograd.grad(described[0, :, centre, centre].sum(), images)[0][0, 0]
    seen = gradient.abs().sum(dim=0).nonzero().flatten()
    assert int(seen.max() - seen.min()) + 1 == patch
    # The patch is centred on the pixels that the position stands for, to within one.
    middle = centre * network.stride + (network.stride - 1) / 2
    assert abs(float(seen.max() + seen.min()) / 2 - middle) <= 1


def test_a_patch_without_a_layout_is_refused():
    with pytest.raises(ConfigError, match="21 pixels, expected one of 17, 33, 65"):
        PatchNetwork(1, 4, 21, 4, torch.nn.MaxPool2d, torch.nn.ReLU())


def test_statistics_are_those_of_each_channel():
    described = torch.randn(40, 3, 4, 4) * torch.tensor([1.0, 2.0, 3.0])[:, None, None] + 5
    mean, deviation = channel_statistics(described)
    torch.testing.assert_close(mean.flatten(), described.mean(dim=(0, 2, 3)))
    torch.testing.assert_close(deviation.flatten(), described.std(dim=(0, 2, 3), correction=0), rtol=1e-4, atol=0)
