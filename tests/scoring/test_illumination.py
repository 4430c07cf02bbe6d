from __future__ import annotations

import pytest
import torch

from utad.config import load_config, parse_config, with_present_names
from utad.models.two_stage import ALL_IMAGES, Images
from utad.scoring.illumination import (
    illumination_step,
    keep_illumination,
    normalise_gradient,
    normalise_illumination,
)


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


@pytest.mark.parametrize(("along_rows", "along_columns"), [(0.2, 0.0), (0.0, -0.2), (0.1, 0.15)])
def test_a_gradient_is_taken_out(along_rows, along_columns):
    generator = torch.Generator().manual_seed(0)
    even = {name: 0.3 + 0.2 * torch.rand(4, 1, 64, 64, generator=generator) for name in ALL_IMAGES}
    ramp = torch.linspace(-1, 1, 64)
    light = 1 + along_rows * ramp[:, None] + along_columns * ramp
    lit = {name: light * tensor for name, tensor in even.items()}
    expected, found = normalise_gradient(even), normalise_gradient(lit)
    assert found.keys() == lit.keys()
    for name in ALL_IMAGES:
        assert float((found[name] - expected[name]).abs().mean()) < 0.02
        kept = normalise_illumination(lit)[name] - normalise_illumination(even)[name]
        assert float(kept.abs().mean()) > 0.06


def test_of_even_images_nothing_but_the_exposure_is_taken_out():
    mirrored = {"image": (half := 0.3 + 0.2 * torch.rand(2, 3, 8, 8)) + half.flip(2, 3)}
    torch.testing.assert_close(normalise_gradient(mirrored), normalise_illumination(mirrored))


def test_black_images_and_steep_gradients_stay_finite():
    steep = torch.zeros(2, 1, 16, 16)
    steep[1, :, :, 13:] = 1.0
    found = normalise_gradient({"image": steep})["image"]
    assert bool(torch.isfinite(found).all())
    torch.testing.assert_close(found[0], torch.full((1, 16, 16), 0.5))


@pytest.mark.parametrize(
    ("overrides", "step"),
    [
        ([], normalise_gradient),
        (["scoring.normalise_gradient=false"], normalise_illumination),
        (["scoring.normalise_illumination=false"], keep_illumination),
        (["scoring.method=paper"], keep_illumination),
    ],
)
def test_the_config_says_what_is_taken_out(overrides, step):
    assert illumination_step(load_config(overrides=overrides).scoring) is step


def test_the_config_of_an_earlier_model_takes_no_gradient_out():
    stored = load_config().model_dump(mode="json")
    del stored["scoring"]["normalise_gradient"]
    assert illumination_step(parse_config(with_present_names(stored)).scoring) is normalise_illumination
