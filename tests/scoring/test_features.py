from __future__ import annotations

import pytest
import torch

from utad.config import BackboneConfig
from utad.models.backbones import build_backbone
from utad.models.two_stage import ALL_IMAGES, Restoration
from utad.scoring.features import in_even_light, measure


def restoration(count: int = 2, channels: int = 1) -> Restoration:
    generator = torch.Generator().manual_seed(0)
    pictures = [0.3 + 0.2 * torch.rand(count, channels, 32, 32, generator=generator) for _ in ALL_IMAGES]
    return Restoration(*pictures, latent=torch.zeros(count, 4))


def test_one_pass_gives_what_a_pass_for_each_image_gives():
    backbone = build_backbone(BackboneConfig(stages=(0, 1)))
    images = restoration()
    stages, _ = measure(backbone, images)
    for index, stage in enumerate(stages):
        for name in ALL_IMAGES:
            torch.testing.assert_close(
                getattr(stage, name), backbone(getattr(images, name))[index], rtol=1e-4, atol=1e-5
            )


def test_images_that_are_not_needed_have_no_features():
    backbone = build_backbone(BackboneConfig(stages=(0,)))
    (stage,), _ = measure(backbone, restoration(), needed={"image", "impression"})
    assert tuple(stage.impression.shape) == (2, 16, 16, 16)
    assert stage.reconstruction.numel() == stage.naive_impression.numel() == 0
    torch.testing.assert_close(stage.image, backbone(restoration().image)[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
def test_even_light_takes_out_exposure_and_contrast(channels):
    plain = in_even_light(restoration(channels=channels))
    torch.testing.assert_close(plain.image.mean(dim=(1, 2, 3)), torch.full((2,), 0.5))
    torch.testing.assert_close(plain.image.std(dim=(1, 2, 3), correction=0), torch.full((2,), 0.2))
    images = restoration(channels=channels)
    darker = Restoration(*(0.5 * getattr(images, name) + 0.1 for name in ALL_IMAGES), latent=images.latent)
    for name in ALL_IMAGES:
        torch.testing.assert_close(getattr(in_even_light(darker), name), getattr(plain, name), rtol=1e-4, atol=1e-5)


def test_a_constant_image_stays_finite():
    flat = Restoration(*(torch.full((1, 1, 8, 8), 0.7) for _ in ALL_IMAGES), latent=torch.zeros(1, 4))
    torch.testing.assert_close(in_even_light(flat).image, torch.full((1, 1, 8, 8), 0.5))
