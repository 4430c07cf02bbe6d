from __future__ import annotations

import math

import pytest
import torch

from utad.scoring.image_scores import tail_growth


def test_the_growth_is_the_scale_of_an_exponential_tail():
    """The mean excess of an exponential distribution over any of its values is its scale."""
    generator = torch.Generator().manual_seed(0)
    draws = torch.empty(200, 300).exponential_(1 / 0.6, generator=generator)
    assert tail_growth(list(draws)) == pytest.approx(0.6, rel=0.1)


def test_the_growth_of_a_normal_distribution_is_that_of_its_highest_values():
    """The mean of the highest of 150 draws is 2.63, of 300 it is 2.86 (tables of normal order statistics)."""
    draws = torch.randn(200, 150, generator=torch.Generator().manual_seed(0))
    assert tail_growth(list(draws)) * math.log(2) == pytest.approx(2.86 - 2.63, abs=0.06)


def test_what_all_tiles_of_an_image_have_does_not_grow():
    generator = torch.Generator().manual_seed(0)
    draws = torch.empty(50, 300).exponential_(1.0, generator=generator)
    shifted = draws + 100 * torch.arange(50)[:, None]
    assert tail_growth(list(shifted)) == pytest.approx(tail_growth(list(draws)), rel=1e-3)


def test_the_growth_by_hand():
    # The upper fifth of ten deviations from the median 5, lower of the two in the middle: 4 and 8.
    tiles = torch.tensor([1.0, 2, 3, 4, 5, 6, 7, 8, 9, 13])
    assert tail_growth([tiles]) == pytest.approx((0 + 4) / 2)


def test_images_of_one_tile_have_no_growth():
    assert tail_growth([torch.tensor([3.0]), torch.tensor([7.0])]) == 0.0
    assert math.isfinite(tail_growth([torch.tensor([3.0])]))
