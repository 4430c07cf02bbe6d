from __future__ import annotations

import pytest
import torch

from utad.config import ScoringConfig
from utad.models.two_stage import ALL_IMAGES, Images
from utad.scoring import perceptual
from utad.scoring.measurement import PaperMeasurement
from utad.scoring.perceptual import EQ_8, feature_distance, perceptual_maps, perceptual_measurement, upsample


def stage(seed: int, channels: int, side: int) -> Images:
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.rand(2, channels, side, side, generator=generator) for name in ALL_IMAGES}


def test_distance_is_the_mean_over_channels_of_absolute_differences():
    first = torch.tensor([1.0, -2.0]).view(1, 2, 1, 1)
    second = torch.tensor([0.0, 2.0]).view(1, 2, 1, 1)
    assert feature_distance(first, second).tolist() == [[[2.5]]]


def test_equation_8_by_hand():
    fine, coarse = stage(0, 3, 4), stage(1, 5, 4)
    expected = torch.zeros(2, 4, 4)
    for weight, s in ((1.0, fine), (2.0, coarse)):
        for a, b in (
            (s["image"], s["reconstruction"]),
            (s["impression"], s["naive_impression"]),
            (s["image"], s["impression"]),
        ):
            expected += weight * (a - b).abs().mean(dim=1)
    torch.testing.assert_close(perceptual_measurement([fine, coarse], 4, [1.0, 2.0]), expected)


def test_stage_weights_turn_means_over_channels_into_sums():
    stages = [stage(0, 3, 4), stage(1, 5, 4)]
    summed = sum(
        (s[first] - s[second]).abs().sum(dim=1)
        for s in stages
        for first, second in (("image", "reconstruction"), ("impression", "naive_impression"), ("image", "impression"))
    )
    torch.testing.assert_close(perceptual_measurement(stages, 4, [3.0, 5.0]), summed)


def test_weights_are_one_as_in_the_paper():
    stages = [stage(0, 3, 4), stage(1, 5, 2)]
    torch.testing.assert_close(perceptual_measurement(stages, 8), perceptual_measurement(stages, 8, [1.0, 1.0]))


def test_four_equal_images_measure_zero():
    features = torch.rand(1, 3, 4, 4)
    assert perceptual_measurement([dict.fromkeys(ALL_IMAGES, features)], 16).abs().max() == 0


def test_there_is_one_map_per_pair_at_the_size_of_the_image_and_it_is_the_sum_over_stages():
    stages = [stage(0, 3, 4), stage(1, 5, 2)]
    maps = perceptual_maps(stages, 16)
    assert tuple(maps) == EQ_8
    of_stages = [perceptual_maps([one], 16) for one in stages]
    for pair, found in maps.items():
        assert [tuple(one[pair].shape) for one in of_stages] == [(2, 16, 16)] * 2
        torch.testing.assert_close(found, of_stages[0][pair] + of_stages[1][pair])


def test_weights_count_in_the_map_of_every_pair():
    stages = [stage(0, 3, 4), stage(1, 5, 2)]
    measured = PaperMeasurement(ScoringConfig(method="paper", stage_weights=(2.0, 1.0)))(stages, 16)
    torch.testing.assert_close(torch.stack(list(measured.component_maps.values())).sum(dim=0), measured.anomaly_map)
    plain = perceptual_maps(stages[:1], 16), perceptual_maps(stages[1:], 16)
    for pair in EQ_8:
        torch.testing.assert_close(measured.component_maps[pair], 2 * plain[0][pair] + plain[1][pair])


@pytest.mark.parametrize("weights", [None, (2.0, 1.0)])
def test_each_distance_is_computed_once_per_pair_and_stage(monkeypatch, weights):
    compared = []

    def counted(first, second):
        compared.append((id(first), id(second)))
        return feature_distance(first, second)

    monkeypatch.setattr(perceptual, "feature_distance", counted)
    stages = [stage(0, 3, 4), stage(1, 5, 2)]
    PaperMeasurement(ScoringConfig(method="paper", stage_weights=weights))(stages, 16)
    assert len(compared) == len(set(compared)) == len(EQ_8) * len(stages)


@pytest.mark.parametrize("size", [8, (8, 12)])
def test_upsampling_keeps_constants_and_order(size):
    maps = torch.tensor([[[0.0, 1.0], [2.0, 3.0]]])
    large = upsample(maps, size)
    assert large.shape[1:] == ((8, 8) if size == 8 else size)
    assert large[0, 0, 0] == 0
    assert large[0, -1, -1] == 3
    torch.testing.assert_close(upsample(torch.full((1, 2, 2), 7.0), size), torch.full((1, *large.shape[1:]), 7.0))
