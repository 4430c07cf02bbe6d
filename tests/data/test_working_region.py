from __future__ import annotations

import numpy as np
import pytest
import torch

from utad.data.region_of_interest import RegionOfInterest
from utad.data.working_region import WorkingRegion


def left_part(share: float, side: int = 64) -> RegionOfInterest:
    mask = np.zeros((side, side), bool)
    mask[:, : round(share * side)] = True
    return RegionOfInterest(mask, (51, 102, 153))


def test_coverage_and_fill_at_the_side_of_the_networks():
    region = WorkingRegion.of(left_part(0.5), 16, 3)
    assert (region.coverage[:, :7] == 1).all()
    assert (region.coverage[:, 9:] == 0).all()
    assert float(region.coverage.mean()) == pytest.approx(0.5)
    torch.testing.assert_close(region.fill.flatten(), torch.tensor([0.2, 0.4, 0.6]))
    grey = WorkingRegion.of(left_part(0.5), 16, 1).fill
    assert grey.shape == (1, 1, 1)
    assert float(grey) == pytest.approx(0.299 * 0.2 + 0.587 * 0.4 + 0.114 * 0.6, abs=1e-6)


@pytest.mark.parametrize(("share", "columns"), [(0.5, 4), (0.5 + 1 / 64, 4), (0.5 + 3 / 64, 5), (0.5 - 1 / 64, 4)])
def test_a_position_counts_from_a_quarter_on(share, columns):
    positions = WorkingRegion.of(left_part(share), 64, 1).positions(8)
    assert positions.sum(dim=0).tolist() == [8] * columns + [0] * (8 - columns)


def test_the_one_position_of_a_whole_image_counts_however_little_is_inside():
    region = WorkingRegion.of(left_part(2 / 64), 64, 1)
    assert region.positions(1).tolist() == [[True]]
    assert region.n_working() == (8, 64)


def test_refilling_changes_nothing_inside_and_happens_once():
    region = WorkingRegion.of(left_part(0.4), 32, 1)
    images = torch.rand(2, 1, 32, 32)
    refilled = region.refilled(images)
    assert torch.equal(refilled[..., region.touched], images[..., region.touched])
    assert (refilled[..., ~region.touched] == region.fill[0, 0, 0]).all()
    assert torch.equal(region.refilled(refilled), refilled)


@pytest.mark.parametrize("size", [(64, 64), (50, 90), (20, 33)])
def test_a_filled_image_is_the_same_whatever_was_outside(size):
    from utad.data.tensors import to_tensor

    region = left_part(0.37)
    rng = np.random.default_rng(0)
    one = rng.integers(0, 256, (*size, 3), np.uint8)
    other = np.where(region.inside(size)[..., None], one, rng.integers(0, 256, (*size, 3), np.uint8))
    assert not np.array_equal(one, other)
    assert torch.equal(to_tensor(region.filled(one), 32, 3), to_tensor(region.filled(other), 32, 3))
