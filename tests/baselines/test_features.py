from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from utad.baselines.features import FrozenFeatures, smooth


@pytest.fixture(scope="module")
def features() -> FrozenFeatures:
    return FrozenFeatures()


@pytest.mark.parametrize("size", [32, 64, 96])
def test_shapes(features, size):
    assert features.channels == 24 + 40 + 112
    assert features(torch.rand(2, 3, size, size)).shape == (2, features.channels, size // 8, size // 8)


def test_grey_is_rgb_of_three_equal_channels(features):
    grey = torch.rand(2, 1, 64, 64)
    assert torch.equal(features(grey), features(grey.repeat(1, 3, 1, 1)))


def test_nothing_of_it_learns(features):
    assert not any(parameter.requires_grad for parameter in features.parameters())
    before = features(torch.full((1, 3, 32, 32), 0.3))
    features.train()
    features(torch.rand(4, 3, 32, 32))
    assert torch.equal(features(torch.full((1, 3, 32, 32), 0.3)), before)


def test_the_middle_stage_is_passed_on_as_it_is(features):
    images = torch.rand(1, 3, 64, 64)
    first, middle, last = features.backbone(images)
    joined = features(images)
    assert torch.equal(joined[:, 24:64], middle)
    # Four values of the finer stage are averaged into one.
    torch.testing.assert_close(joined[:, :24, 0, 0], first[:, :, :2, :2].mean(dim=(2, 3)))
    # The corner of a bilinear enlargement is the corner itself.
    torch.testing.assert_close(joined[:, 64:, 0, 0], last[:, :, 0, 0])


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0, 4.0])
def test_smoothing_leaves_constants(sigma):
    maps = torch.full((2, 64, 64), 3.7)
    torch.testing.assert_close(smooth(maps, sigma), maps)


@pytest.mark.parametrize("sigma", [1.0, 2.0])
def test_smoothing_against_scipy(sigma):
    maps = torch.rand(2, 40, 40)
    expected = np.stack([gaussian_filter(one.numpy(), sigma, mode="mirror", truncate=4.0) for one in maps])
    np.testing.assert_allclose(smooth(maps, sigma).numpy(), expected, atol=1e-5)
