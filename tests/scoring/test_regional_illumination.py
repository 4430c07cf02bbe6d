from __future__ import annotations

import numpy as np
import pytest
import torch

from utad.config import load_config
from utad.data.region_of_interest import RegionOfInterest
from utad.data.working_region import WorkingRegion
from utad.models.two_stage import ALL_IMAGES
from utad.scoring.illumination import illumination_step
from utad.scoring.regional_illumination import RegionalIllumination

SIDE = 32
STEPS = (
    (),
    ("scoring.normalise_gradient=false",),
    ("scoring.normalise_illumination=false",),
    ("scoring.method=paper",),
)


def step(mask: np.ndarray, *overrides: str) -> tuple[RegionalIllumination, WorkingRegion]:
    region = WorkingRegion.of(RegionOfInterest(mask, (100, 110, 120)), SIDE, 3)
    return RegionalIllumination(load_config(overrides=overrides).scoring, region), region


def images(seed: int = 0) -> dict:
    generator = torch.Generator().manual_seed(seed)
    return {name: 0.3 + 0.2 * torch.rand(2, 3, SIDE, SIDE, generator=generator) for name in ALL_IMAGES}


def disc() -> np.ndarray:
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    return (rows - 9) ** 2 + (columns - 20) ** 2 < 80


@pytest.mark.parametrize("overrides", STEPS)
def test_on_the_whole_image_it_is_the_step_without_a_region(overrides):
    regional, _ = step(np.ones((SIDE, SIDE), bool), *overrides)
    expected = illumination_step(load_config(overrides=overrides).scoring)(images())
    for name, tensor in regional(images()).items():
        torch.testing.assert_close(tensor, expected[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("overrides", STEPS)
def test_what_lies_outside_has_no_part_in_it(overrides):
    regional, region = step(disc(), *overrides)
    one, other = images(), images(1)
    mixed = {name: torch.where(region.touched, one[name], other[name]) for name in ALL_IMAGES}
    found, again = regional(one), regional(mixed)
    for name in ALL_IMAGES:
        torch.testing.assert_close(again[name], found[name], rtol=0, atol=1e-6)
        outside = found[name][..., ~region.touched]
        level = region.fill[:, :, 0] if "method" in str(overrides) or not regional.normalises else torch.tensor(0.5)
        torch.testing.assert_close(outside, level.expand_as(outside))


@pytest.mark.parametrize(("along_rows", "along_columns"), [(0.2, 0.0), (0.1, -0.15)])
def test_a_gradient_is_taken_out_of_a_region_at_one_side(along_rows, along_columns):
    regional, region = step(disc())
    ramp = torch.linspace(-1, 1, SIDE)
    light = 1 + along_rows * ramp[:, None] + along_columns * ramp
    even = {name: torch.full((1, 3, SIDE, SIDE), 0.4) for name in ALL_IMAGES}
    image = even["image"] + 0.05 * (torch.arange(SIDE) % 2)  # as much light as dark everywhere
    expected = regional({**even, "image": image})["image"]
    found = regional({**even, "image": light * image})["image"]
    whole = region.coverage == 1
    plain = (light * image - image)[..., whole].std()
    assert float((found - expected)[..., whole].abs().mean()) < 0.05
    assert float(plain) > 0.01


def test_a_region_as_thin_as_a_pixel_stays_finite():
    mask = np.zeros((4 * SIDE, 4 * SIDE), bool)
    mask[:, 5] = True
    regional, _ = step(mask)
    assert all(bool(torch.isfinite(tensor).all()) for tensor in regional(images()).values())
