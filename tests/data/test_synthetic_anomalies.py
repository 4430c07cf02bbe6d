from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from utad.data.synthetic_anomalies import KINDS, add_anomalies


def images(count: int, channels: int = 1, side: int = 48, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, channels, 6, 6, generator=generator)
    return functional.interpolate(coarse, size=(side, side), mode="bilinear")


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("kind", range(len(KINDS)))
@pytest.mark.parametrize(("channels", "side"), [(1, 32), (3, 48), (1, 128)])
def test_only_what_the_mask_covers_is_changed(kind, channels, side):
    before = images(6, channels, side)
    changed = add_anomalies(before, before.roll(1, 0), kind, generator())
    assert changed.images.shape == before.shape
    assert changed.mask.shape == (6, side, side)
    assert float(changed.images.min()) >= 0
    assert float(changed.images.max()) <= 1
    # The edge is soft by one pixel.
    near = functional.max_pool2d(changed.mask.float()[:, None], 3, stride=1, padding=1) > 0
    assert torch.equal(torch.where(near, 0.0, changed.images), torch.where(near, 0.0, before))


@pytest.mark.parametrize("kind", range(len(KINDS)))
def test_every_kind_changes_what_it_covers(kind):
    before = images(40)
    changed = add_anomalies(before, before.roll(1, 0), kind, generator())
    difference = (changed.images - before).abs()[:, 0]
    assert float(difference[changed.mask].mean()) > 0.05


def test_every_image_is_changed_somewhere_and_not_everywhere():
    covered = add_anomalies(images(200), images(200, seed=1), 0, generator()).mask.float().mean(dim=(1, 2))
    assert float(covered.min()) >= 9 / 48**2
    assert float(covered.max()) <= 0.3
    assert float(covered.std()) > 0.01


def test_the_generator_decides():
    before = images(4)
    one, same, other = (add_anomalies(before, before.flip(0), 1, generator(seed)) for seed in (0, 0, 1))
    assert torch.equal(one.images, same.images)
    assert not torch.equal(one.mask, other.mask)


def test_the_originals_are_left_as_they_are():
    before = images(4)
    kept = before.clone()
    for kind in range(len(KINDS)):
        add_anomalies(before, before.flip(0), kind, generator())
    assert torch.equal(before, kept)


@pytest.mark.parametrize("kind", range(len(KINDS)))
def test_nothing_is_changed_outside_a_region_and_every_image_inside(kind):
    before = images(12)
    inside = torch.zeros(48, 48, dtype=torch.bool)
    inside[30:46, 2:14] = True
    changed = add_anomalies(before, before.roll(1, 0), kind, generator(), inside=inside)
    assert torch.equal(changed.images[..., ~inside], before[..., ~inside])
    assert not changed.mask[:, ~inside].any()
    assert int(changed.mask.sum(dim=(1, 2)).min()) >= 9


def test_a_region_that_no_outline_hits_is_changed_as_a_whole():
    inside = torch.zeros(48, 48, dtype=torch.bool)
    inside[0, 0] = inside[47, 47] = True
    changed = add_anomalies(images(2), images(2, seed=1), 0, generator(), inside=inside)
    assert torch.equal(changed.mask, inside.expand(2, 48, 48))
