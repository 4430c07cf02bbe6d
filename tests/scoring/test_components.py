from __future__ import annotations

import pytest
import torch

from utad.config import ScoringConfig
from utad.data.tile_places import TilePlaces
from utad.data.tiling import Layout
from utad.models.two_stage import ALL_IMAGES, Images
from utad.scoring.components import COMPONENTS, average_over, build_component, feature_vectors
from utad.scoring.gaussian import GaussianDistance
from utad.scoring.neighbours import NeighbourDistance


def pyramid(stages: int = 4) -> list[Images]:
    generator = torch.Generator().manual_seed(0)
    return [
        {name: torch.rand(2, 3 + level, 32 >> level, 32 >> level, generator=generator) for name in ALL_IMAGES}
        for level in range(stages)
    ]


def vectors_of(name: str, features: list[Images]) -> torch.Tensor:
    return feature_vectors(COMPONENTS[name], features)


def test_every_component_can_be_built():
    kinds = {name: type(build_component(name, ScoringConfig(), 0).distance) for name in COMPONENTS}
    assert kinds["residual"] is GaussianDistance
    assert kinds["neighbours"] is NeighbourDistance


def test_stages_are_joined_at_the_resolution_of_the_grid():
    features = pyramid()
    vectors = vectors_of("input", features)
    assert tuple(vectors.shape) == (2, 4 + 5 + 6, 8, 8)
    # The grid's own stage averaged over 3x3 positions; the finer one first brought to the grid.
    torch.testing.assert_close(vectors[:, 4:9], average_over(features[2]["image"], 3))
    torch.testing.assert_close(vectors[0, 0, 1, 1], features[1]["image"][0, 0, :6, :6].mean())


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
    expected = features[2][first] - features[2][second]
    torch.testing.assert_close(vectors_of(name, features)[:, 4:9], average_over(expected, 3))


def test_restored_features_are_at_the_resolution_that_the_grid_has():
    features = pyramid()
    restored = [torch.rand(2, 3 + level, 8, 8) for level in range(4)]
    with_restored = [{**stage, "feature_impression": part} for stage, part in zip(features, restored, strict=True)]
    vectors = vectors_of("restored-near", with_restored)
    assert tuple(vectors.shape) == (2, 2 * (3 + 4 + 5), 8, 8)
    # The finest stage is brought to the grid before the difference is taken.
    torch.testing.assert_close(
        vectors[0, 0, 1, 1], features[0]["image"][0, 0, 4:8, 4:8].mean() - restored[0][0, 0, 1, 1]
    )
    whole = vectors_of("restored-whole", with_restored)
    assert tuple(whole.shape) == (2, 5 + 6, 1, 1)
    torch.testing.assert_close(whole[:, :5, 0, 0], features[2]["image"].mean(dim=(2, 3)) - restored[2].mean(dim=(2, 3)))


def test_deep_is_of_the_last_two_stages_where_the_last_but_one_has_its_positions():
    features = pyramid(5)
    vectors = vectors_of("deep", features)
    assert tuple(vectors.shape) == (2, 6 + 7, 4, 4)
    torch.testing.assert_close(vectors[:, :6], features[3]["image"])
    # A backbone of four stages has no deeper one to add.
    torch.testing.assert_close(vectors_of("deep", features[:4]), features[3]["image"])


def test_a_window_is_averaged_as_far_as_it_lies_inside():
    maps = torch.arange(16.0).reshape(1, 1, 4, 4)
    averaged = average_over(maps, 3)
    assert float(averaged[0, 0, 0, 0]) == (0 + 1 + 4 + 5) / 4
    assert float(averaged[0, 0, 1, 2]) == maps[0, 0, 0:3, 1:4].mean()
    assert average_over(maps, 1) is maps


def test_whole_is_one_vector_per_image():
    features = pyramid()
    vectors = vectors_of("whole", features)
    assert tuple(vectors.shape) == (2, 5 + 6, 1, 1)
    torch.testing.assert_close(vectors[1, 7, 0, 0], features[3]["image"][1, 2].mean())
    assert COMPONENTS["whole"].grid is None
    assert COMPONENTS["input"].grid is not None


def test_a_short_backbone_gives_the_stages_that_there_are():
    assert tuple(vectors_of("residual", pyramid(1)).shape) == (2, 3, 32, 32)
    assert tuple(vectors_of("input", pyramid(2)).shape) == (2, 4, 16, 16)


def test_components_of_a_fine_grid_know_no_places():
    places = TilePlaces(Layout(1, 2), torch.arange(24) % 2)
    folds = torch.arange(24) // 6
    vectors = torch.randn(24, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    for name, knows in (
        ("input", True),
        ("deep", True),
        ("whole", True),
        ("input-detail", False),
        ("input-finest", False),
    ):
        component = build_component(name, ScoringConfig(), 0)
        component.fit(vectors, None, folds, places=places)
        assert component.standardisation.placed is knows
        assert component.distance.get_buffer("mean").ndim == (4 if knows else 3)
