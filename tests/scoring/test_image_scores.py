from __future__ import annotations

import math

import pytest
import torch

from tests import fabricate
from utad.config import load_config
from utad.data.tiled_images import load_tiles
from utad.scoring.image_scores import (
    LEAST_IMAGES,
    chosen_images,
    highest_of_tiles,
    scale_of_highest,
    tail_growth,
    whole_image_scores,
)
from utad.types import Sample


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


def tiles_of(count: int, *settings: str):
    """Images of 96 x 128 pixels with 12 tiles each."""
    overrides = ["image.size=32", "image.tile.side=32", "image.tile.overlap=0", *settings]
    samples = [Sample(f"{index}.png", fabricate.picture(96, 128, seed=index)) for index in range(count)]
    return load_tiles(samples, load_config(overrides=overrides).image)


def test_whole_images_are_scored_as_far_as_their_tiles_are_few_but_never_less_than_twenty():
    assert chosen_images(tiles_of(30, "image.tile.threshold=288")).tolist() == [i * 30 // 24 for i in range(24)]
    assert len(chosen_images(tiles_of(30, "image.tile.threshold=12"))) == LEAST_IMAGES
    assert chosen_images(tiles_of(5)).tolist() == [0, 1, 2, 3, 4]


def test_the_highest_tiles_of_normal_images_have_mean_zero_and_the_same_deviation_in_every_component():
    generator = torch.Generator().manual_seed(0)
    parts = torch.empty(400, 30, 2).exponential_(1.0, generator=generator)
    parts[..., 1] = 5 + 3 * parts[..., 1]
    scale = scale_of_highest(list(parts))
    highest = scale.of(parts).amax(dim=1)
    assert highest.mean(dim=0).tolist() == pytest.approx([0.0, 0.0], abs=1e-6)
    # Of the score, which is a mean, each component has half.
    assert highest.std(dim=0, correction=0).tolist() == pytest.approx([0.5, 0.5], rel=0.15)


def test_of_few_images_the_deviations_are_drawn_together():
    parts = [torch.tensor([[0.0, 0.0]]), torch.tensor([[2.0, 6.0]])]
    # Squares 1 and 9 from the mean, 5 between them: (2 * 1 + 8 * 5) / 10 and (2 * 9 + 8 * 5) / 10.
    scale = scale_of_highest(parts)
    assert scale.means.tolist() == [1.0, 3.0]
    assert scale.deviations.tolist() == pytest.approx([math.sqrt(4.2), math.sqrt(5.8)])
    alike = scale_of_highest([torch.tensor([[1.0, 2.0]])] * 3)
    assert torch.isfinite(alike.of(torch.tensor([[4.0, 4.0]]))).all()


def test_an_image_has_the_highest_of_each_component_from_whichever_tile():
    tiles = tiles_of(2)
    parts = [torch.tensor([[1.0, 0.0], [0.0, 4.0]]), torch.tensor([[2.0, 2.0], [1.0, 1.0]])]
    scores, growth = highest_of_tiles(parts, tiles)
    assert scores.tolist() == [5.0, 4.0]  # as large as is typical: nothing is taken off
    assert growth == pytest.approx(sum(tail_growth([one[:, column] for one in parts]) for column in range(2)))


def test_scores_of_images_from_all_of_their_tiles():
    tiles = tiles_of(4)
    scores = torch.arange(48.0) % 12 + 100 * tiles.image_of
    found = whole_image_scores(scores, tiles)
    assert found.scores.tolist() == [11.0, 111.0, 211.0, 311.0]


def test_scores_of_images_from_some_of_their_tiles_are_raised_by_the_growth():
    tiles = tiles_of(8, "image.tile.training=48")
    assert tiles.image_of.bincount().tolist() == [6] * 8
    scores = torch.arange(48.0) % 6
    found = whole_image_scores(scores, tiles)
    assert found.growth > 0
    assert found.scores.tolist() == pytest.approx([5.0 + found.growth * math.log(2)] * 8)
