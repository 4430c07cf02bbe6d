from __future__ import annotations

import torch

from utad.config import BackboneConfig
from utad.models.backbones import build_backbone
from utad.models.two_stage import ALL_IMAGES, ImageName, Images
from utad.scoring.features import by_image, stacked


def images(count: int = 2) -> Images:
    generator = torch.Generator().manual_seed(0)
    return {name: 0.3 + 0.2 * torch.rand(count, 1, 32, 32, generator=generator) for name in ALL_IMAGES}


def test_one_pass_gives_what_a_pass_for_each_image_gives():
    backbone = build_backbone(BackboneConfig(stages=(0, 1)))
    stages = [by_image(maps, ALL_IMAGES) for maps in backbone(stacked(images(), ALL_IMAGES))]
    assert len(stages) == 2
    for index, stage in enumerate(stages):
        assert tuple(stage) == ALL_IMAGES
        for name in ALL_IMAGES:
            torch.testing.assert_close(stage[name], backbone(images()[name])[index], rtol=1e-4, atol=1e-5)


def test_images_that_are_not_needed_have_no_features():
    backbone = build_backbone(BackboneConfig(stages=(0,)))
    needed: tuple[ImageName, ...] = ("image", "impression")
    (maps,) = backbone(stacked(images(), needed))
    stage = by_image(maps, needed)
    assert tuple(stage["impression"].shape) == (2, 16, 16, 16)
    assert set(stage) == {"image", "impression"}
    torch.testing.assert_close(stage["image"], backbone(images()["image"])[0], rtol=1e-4, atol=1e-5)


def test_the_names_set_the_order_of_the_batch():
    one, two = (torch.full((2, 1, 4, 4), value) for value in (1.0, 2.0))
    batch = stacked({"image": one, "impression": two}, ("impression", "image"))
    assert torch.equal(batch, torch.cat([two, one]))
    assert torch.equal(by_image(batch, ("impression", "image"))["image"], one)
