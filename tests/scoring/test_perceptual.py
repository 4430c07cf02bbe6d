from __future__ import annotations

import pytest
import torch

from utad.scoring.features import StageFeatures
from utad.scoring.perceptual import EQ_8, feature_distance, perceptual_maps, perceptual_measurement, upsample


def stage(seed: int, channels: int, side: int) -> StageFeatures:
    generator = torch.Generator().manual_seed(seed)
    return StageFeatures(*(torch.rand(2, channels, side, side, generator=generator) for _ in range(4)))


def test_distance_is_the_mean_over_channels_of_absolute_differences():
    first = torch.tensor([1.0, -2.0]).view(1, 2, 1, 1)
    second = torch.tensor([0.0, 2.0]).view(1, 2, 1, 1)
    assert feature_distance(first, second).tolist() == [[[2.5]]]


def test_equation_8_by_hand():
    fine, coarse = stage(0, 3, 4), stage(1, 5, 4)
    expected = torch.zeros(2, 4, 4)
    for weight, s in ((1.0, fine), (2.0, coarse)):
        for a, b in (
            (s.image, s.reconstruction),
            (s.impression, s.naive_impression),
            (s.image, s.impression),
        ):
            expected += weight * (a - b).abs().mean(dim=1)
    torch.testing.assert_close(perceptual_measurement([fine, coarse], 4, [1.0, 2.0]), expected)


def test_weights_are_one_as_in_the_paper():
    stages = [stage(0, 3, 4), stage(1, 5, 2)]
    torch.testing.assert_close(perceptual_measurement(stages, 8), perceptual_measurement(stages, 8, [1.0, 1.0]))


def test_four_equal_images_measure_zero():
    features = torch.rand(1, 3, 4, 4)
    assert perceptual_measurement([StageFeatures(*[features] * 4)], 16).abs().max() == 0


def test_there_is_one_map_a_pair_and_stage_at_the_size_of_the_image():
    maps = perceptual_maps([stage(0, 3, 4), stage(1, 5, 2)], 16)
    assert tuple(maps) == EQ_8
    assert all([tuple(m.shape) for m in stages] == [(2, 16, 16)] * 2 for stages in maps.values())


@pytest.mark.parametrize("size", [8, (8, 12)])
def test_upsampling_keeps_constants_and_order(size):
    maps = torch.tensor([[[0.0, 1.0], [2.0, 3.0]]])
    large = upsample(maps, size)
    assert large.shape[1:] == ((8, 8) if size == 8 else size)
    assert large[0, 0, 0] == 0
    assert large[0, -1, -1] == 3
    torch.testing.assert_close(upsample(torch.full((1, 2, 2), 7.0), size), torch.full((1, *large.shape[1:]), 7.0))
