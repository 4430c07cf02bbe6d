from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from utad.config import AugmentConfig
from utad.data.augment import augment, random_affine

OFF = {"horizontal_flip": False, "vertical_flip": False, "rotation": 0.0, "crop_scale": 1.0}


def pictures(count: int = 16, size: int = 12) -> Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(0))


def changed(images: Tensor, seed: int = 0, **settings) -> Tensor:
    return augment(images, AugmentConfig(**{**OFF, **settings}), torch.Generator().manual_seed(seed))


def affine(count: int, **settings) -> Tensor:
    return random_affine(count, AugmentConfig(**{**OFF, **settings}), torch.Generator().manual_seed(0))


def test_with_everything_off_images_stay_as_they_are():
    assert torch.allclose(changed(pictures()), pictures(), atol=1e-5)


@pytest.mark.parametrize(("flag", "axis"), [("horizontal_flip", 3), ("vertical_flip", 2)])
def test_a_flip_mirrors_about_half_of_the_images_along_its_axis(flag, axis):
    flipped = 0
    for before, after in zip(pictures(200), changed(pictures(200), **{flag: True}), strict=True):
        mirrored = before.flip(axis - 1)
        kept = torch.allclose(after, before, atol=1e-5)
        assert kept or torch.allclose(after, mirrored, atol=1e-5)
        flipped += not kept
    assert 70 < flipped < 130


def test_both_flips_are_drawn_apart():
    after = changed(pictures(64), horizontal_flip=True, vertical_flip=True)
    seen = set()
    for index, before in enumerate(pictures(64)):
        for axes in ((), (1,), (2,), (1, 2)):
            if torch.allclose(after[index], before.flip(axes), atol=1e-5):
                seen.add(axes)
    assert len(seen) == 4


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_flat_image_stays_flat_and_within_the_unit_interval(value):
    flat = torch.full((8, 1, 16, 16), value)
    after = changed(flat, rotation=180.0, crop_scale=0.2, horizontal_flip=True, vertical_flip=True)
    assert torch.allclose(after, flat, atol=1e-5)
    assert 0 <= after.min() <= after.max() <= 1


def test_noise_stays_within_the_unit_interval():
    after = changed(pictures().round(), rotation=180.0, crop_scale=0.2)
    assert 0 <= after.min() <= after.max() <= 1


def test_the_same_generator_gives_the_same_images_and_another_does_not():
    settings = {"rotation": 10.0, "crop_scale": 0.8}
    assert torch.equal(changed(pictures(), 3, **settings), changed(pictures(), 3, **settings))
    assert not torch.allclose(changed(pictures(), 3, **settings), changed(pictures(), 4, **settings), atol=1e-2)


def test_each_image_is_changed_in_its_own_way():
    after = changed(pictures(1).expand(5, -1, -1, -1), rotation=10.0, crop_scale=0.8)
    for index in range(1, 5):
        assert not torch.allclose(after[0], after[index], atol=1e-2)


def test_the_images_handed_in_are_not_touched():
    images = pictures()
    changed(images, rotation=10.0, crop_scale=0.8, horizontal_flip=True)
    assert torch.equal(images, pictures())


def test_a_map_turns_and_scales_without_shear_within_its_limits():
    maps = affine(500, rotation=10.0, crop_scale=0.8, horizontal_flip=True, vertical_flip=True)
    linear = maps[:, :, :2]
    scale = torch.linalg.det(linear).abs().sqrt()
    assert 0.8 <= scale.min() < 0.82
    assert 0.98 < scale.max() <= 1 + 1e-6
    squared = (linear.mT @ linear) / scale[:, None, None] ** 2
    assert torch.allclose(squared, torch.eye(2).expand(500, 2, 2), atol=1e-5)
    angle = torch.atan2(linear[:, 1, 0].abs(), linear[:, 0, 0].abs())
    assert math.radians(9.5) < angle.max() <= math.radians(10) + 1e-6


def test_a_crop_lies_within_the_image():
    maps = affine(500, crop_scale=0.5)
    corners = torch.tensor([[-1.0, -1, 1], [-1, 1, 1], [1, -1, 1], [1, 1, 1]])
    reached = maps @ corners.T  # (500, 2, 4)
    assert reached.abs().max() <= 1 + 1e-6
    assert reached.abs().max() > 0.99


def test_a_crop_shows_a_square_of_its_scale():
    # Of a ramp from -1 to 1 a crop of scale c shows a span of c times the whole.
    size = 64
    ramp = ((torch.arange(size) + 0.5) / size).expand(20, 1, size, size)
    after = changed(ramp, crop_scale=0.5)
    spans = (after[..., -1] - after[..., 0]).mean(dim=(1, 2)) / (1 - 1 / size)
    scales = affine(20, crop_scale=0.5)[:, 0, 0]
    assert torch.allclose(spans, scales, atol=1e-3)


def test_what_a_rotation_brings_in_is_mirrored_and_not_black():
    bright = 0.5 + pictures() / 2
    assert changed(bright, rotation=45.0).min() >= 0.5 - 1e-5
