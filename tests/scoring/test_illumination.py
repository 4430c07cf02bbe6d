from __future__ import annotations

import pytest
import torch

from utad.models.two_stage import ALL_IMAGES, Images
from utad.scoring.illumination import keep_illumination, normalise_illumination


def images(channels: int = 1) -> Images:
    generator = torch.Generator().manual_seed(0)
    return {name: 0.3 + 0.2 * torch.rand(2, channels, 32, 32, generator=generator) for name in ALL_IMAGES}


@pytest.mark.parametrize("channels", [1, 3])
def test_exposure_and_contrast_are_taken_out(channels):
    plain = normalise_illumination(images(channels))
    torch.testing.assert_close(plain["image"].mean(dim=(1, 2, 3)), torch.full((2,), 0.5))
    torch.testing.assert_close(plain["image"].std(dim=(1, 2, 3), correction=0), torch.full((2,), 0.2))
    darker = normalise_illumination({name: 0.5 * tensor + 0.1 for name, tensor in images(channels).items()})
    for name in ALL_IMAGES:
        torch.testing.assert_close(darker[name], plain[name], rtol=1e-4, atol=1e-5)


def test_a_constant_image_stays_finite():
    flat = {name: torch.full((1, 1, 8, 8), 0.7) for name in ALL_IMAGES}
    torch.testing.assert_close(normalise_illumination(flat)["image"], torch.full((1, 1, 8, 8), 0.5))


def test_only_the_images_that_there_are_come_back():
    some = {name: images()[name] for name in ("image", "impression")}
    assert normalise_illumination(some).keys() == some.keys()
    assert keep_illumination(some) is some
