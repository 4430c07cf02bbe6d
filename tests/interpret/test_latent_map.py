from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests import fabricate
from tests.figured import HOSTILE, coded_images
from utad import UTAD
from utad.data.tensors import to_tensor
from utad.errors import DataError
from utad.interpret.latent_map import CODES, LatentMap, latent_figure, latent_map
from utad.interpret.marks import NORMAL
from utad.interpret.network_pictures import drawn_reconstructions, latent_means


@pytest.fixture(scope="module")
def placed() -> LatentMap:
    return latent_map(coded_images(), seed=3)


def test_images_that_a_code_sees_alike_lie_together(placed):
    images, positions = placed.images, placed.positions["mu"]
    assert positions.shape == (24, 2)
    assert positions.min() >= 0.0
    assert positions.max() <= 1.0
    distances = np.linalg.norm(positions[:, None] - positions[None], axis=2) + 9.0 * np.eye(24)
    assert all(images[row].kind == images[nearest].kind for row, nearest in enumerate(distances.argmin(axis=1)))


def test_the_same_seed_gives_the_same_map(placed):
    again = latent_map(coded_images(), seed=3)
    for name in CODES:
        assert np.array_equal(placed.positions[name], again.positions[name])


def test_agreement_is_counted_in_the_code_beside_chance(placed):
    found = placed
    # Of 24 images 12 are anomalous, six of each kind; the five nearest of each are of its kind.
    assert found.agreements["mu"].share == 1.0
    assert found.agreements["mu"].chance == pytest.approx(11 / 23)
    assert 0.2 < found.agreements["features"].share < 0.8
    assert str(found.agreements["mu"]) == (
        "100 % of the 5 images nearest to an anomalous one are anomalous too, 48 % by chance"
    )
    normal = [image for image in coded_images() if image.kind == NORMAL][:6]
    assert latent_map(normal).agreements == {}


def test_few_images_are_placed_and_fewer_refused():
    assert latent_map(coded_images(5)).positions["mu"].shape == (5, 2)
    with pytest.raises(DataError, match="got 4 images for a latent map, expected at least 5"):
        latent_map(coded_images(4))


def test_equal_codes_lie_on_one_point():
    images = [replace(image, codes={"mu": np.ones(3, np.float32)}) for image in coded_images(6)]
    assert np.array_equal(latent_map(images).positions["mu"], np.full((6, 2), 0.5))


def test_a_model_without_features_has_one_chart():
    found = latent_map(coded_images(8, features=False))
    assert list(found.positions) == ["mu"]
    assert len(latent_figure(found, "a").axes) == 1


def test_a_figure_has_a_chart_a_code_and_a_mark_a_kind(placed):
    images = tuple(replace(image, kind="_loch $x$" if image.kind == "loch" else image.kind) for image in placed.images)
    figure = latent_figure(replace(placed, images=images), "brick_$1$")
    assert [axis.get_title().split("\n")[0] for axis in figure.axes] == list(CODES.values())
    for axis in figure.axes:
        assert sorted(len(points.get_offsets()) for points in axis.collections) == [6, 6, 12]
    (legend,) = figure.legends
    assert {text.get_text().strip() for text in legend.get_texts()} == {
        *("normal (12)", f"{HOSTILE} (6)", "_loch $x$ (6)")
    }
    figure.savefig(io.BytesIO(), format="svg")


def test_latents_are_those_of_the_network_whatever_the_batch(detector: UTAD):
    images = [fabricate.picture(40, 48, seed=seed) for seed in range(3)]
    means = latent_means(detector.network_, images)
    network = detector.network_
    assert means.shape == (3, detector.config.ie_net.latent_dim)
    for image, mu in zip(images, means, strict=True):
        with torch.inference_mode():
            own = network.two_stage.ie_net(to_tensor(image, network.size, network.channels)[None]).mu[0]
        np.testing.assert_allclose(mu, own.numpy(), atol=1e-5)


def test_details_are_drawn_by_the_seed_and_differ(parts):
    from tests.conftest import SHORTEST

    detector = UTAD(overrides=(*SHORTEST, "expert_net.guidance=false", "scoring.method=paper")).fit(parts)
    image = fabricate.picture(40, 48)

    def drawn(seed: int) -> dict[str, np.ndarray]:
        return drawn_reconstructions(detector.network_, image, seed=seed, names=("a", "b"))

    first = drawn(1)
    assert {name: picture.shape for name, picture in first.items()} == {"a": (40, 48, 3), "b": (40, 48, 3)}
    assert not np.array_equal(first["a"], first["b"])
    assert np.array_equal(first["a"], drawn(1)["a"])
    assert not np.array_equal(first["a"], drawn(2)["a"])
