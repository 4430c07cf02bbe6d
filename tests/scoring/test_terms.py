from __future__ import annotations

import pytest
import torch

from utad.config import ScoringConfig
from utad.errors import ConfigError
from utad.scoring.features import StageFeatures
from utad.scoring.gaussian import GaussianTerm
from utad.scoring.neighbours import NeighboursTerm
from utad.scoring.terms import TERMS, build_term, term_vectors


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
    # The grid's own stage is as it is, the finer one averaged.
    assert torch.equal(vectors[:, 4:9], features[2].image)
    torch.testing.assert_close(vectors[0, 0, 0, 0], features[1].image[0, 0, :2, :2].mean())


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
    assert torch.equal(term_vectors(name, features)[:, 4:9], expected)


def test_a_short_backbone_gives_the_stages_that_there_are():
    assert tuple(term_vectors("residual", pyramid(1)).shape) == (2, 3, 32, 32)
    assert tuple(term_vectors("input", pyramid(2)).shape) == (2, 4, 16, 16)
