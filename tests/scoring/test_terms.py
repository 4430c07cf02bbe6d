from __future__ import annotations

import pytest
import torch

from utad.config import ScoringConfig
from utad.errors import ConfigError
from utad.scoring.features import StageFeatures
from utad.scoring.gaussian import GaussianTerm
from utad.scoring.neighbours import NeighboursTerm
from utad.scoring.terms import TERMS, average_over, build_term, has_map, images_of, term_vectors


def pyramid(stages: int = 4) -> list[StageFeatures]:
    generator = torch.Generator().manual_seed(0)
    return [
        StageFeatures(*(torch.rand(2, 3 + level, 32 >> level, 32 >> level, generator=generator) for _ in range(4)))
        for level in range(stages)
    ]


def test_every_term_can_be_built_and_unknown_ones_are_named():
    kinds = {name: type(build_term(name, ScoringConfig(), 0)) for name in TERMS}
    assert kinds["residual"] is GaussianTerm
    assert kinds["neighbours"] is NeighboursTerm
    with pytest.raises(ConfigError, match="unknown term 'gradient', choose from input, "):
        build_term("gradient", ScoringConfig(), 0)


def test_stages_are_joined_at_the_resolution_of_the_grid():
    features = pyramid()
    vectors = term_vectors("input", features)
    assert tuple(vectors.shape) == (2, 4 + 5 + 6, 8, 8)
    # The grid's own stage averaged over 3x3 positions; the finer one first brought to the grid.
    torch.testing.assert_close(vectors[:, 4:9], average_over(features[2].image, 3))
    torch.testing.assert_close(vectors[0, 0, 1, 1], features[1].image[0, 0, :6, :6].mean())


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [
        ("residual", "image", "reconstruction"),
        ("naive", "impression", "naive_impression"),
        ("impression", "image", "impression"),
    ],
)
def test_residuals_are_signed_differences_of_their_pair(name, first, second):
    features = pyramid()
    expected = getattr(features[2], first) - getattr(features[2], second)
    torch.testing.assert_close(term_vectors(name, features)[:, 4:9], average_over(expected, 3))


def test_a_window_is_averaged_as_far_as_it_lies_inside():
    maps = torch.arange(16.0).reshape(1, 1, 4, 4)
    averaged = average_over(maps, 3)
    assert float(averaged[0, 0, 0, 0]) == (0 + 1 + 4 + 5) / 4
    assert float(averaged[0, 0, 1, 2]) == maps[0, 0, 0:3, 1:4].mean()
    assert average_over(maps, 1) is maps


def test_whole_is_one_vector_an_image():
    features = pyramid()
    vectors = term_vectors("whole", features)
    assert tuple(vectors.shape) == (2, 5 + 6, 1, 1)
    torch.testing.assert_close(vectors[1, 7, 0, 0], features[3].image[1, 2].mean())
    assert not has_map("whole")
    assert has_map("input")


def test_only_the_images_that_terms_look_at_are_needed():
    assert images_of(["input", "whole"]) == {"image"}
    assert images_of(["residual"]) == {"image", "reconstruction"}
    assert images_of(["input", "naive"]) == {"image", "impression", "naive_impression"}


def test_a_short_backbone_gives_the_stages_that_there_are():
    assert tuple(term_vectors("residual", pyramid(1)).shape) == (2, 3, 32, 32)
    assert tuple(term_vectors("input", pyramid(2)).shape) == (2, 4, 16, 16)
