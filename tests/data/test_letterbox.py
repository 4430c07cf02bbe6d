from __future__ import annotations

import json

import numpy as np
import pytest

from tests import fabricate
from utad.config import load_config
from utad.data.letterbox import Letterbox, framed_mask
from utad.data.rasterising import letterbox_of, region_of_interest
from utad.data.region_of_interest import RegionOfInterest
from utad.errors import ConfigError
from utad.types import Sample


def settings(*overrides: str):
    return load_config(overrides=["image.letterbox=true", *overrides]).image


def samples(*sizes: tuple[int, int]) -> list[Sample]:
    return [Sample(f"{seed}", fabricate.picture(*size, seed=seed)) for seed, size in enumerate(sizes)]


def letterbox(aspect: float) -> Letterbox:
    return Letterbox(
        aspect, RegionOfInterest(framed_mask(np.ones((60, round(60 * aspect)), np.bool_), aspect), (1, 2, 3))
    )


@pytest.mark.parametrize(("size", "frame"), [((60, 30), (60, 60)), ((61, 30), (61, 60)), ((120, 60), (120, 120))])
def test_a_high_image_is_framed_at_its_sides_and_comes_back_whole(size, frame):
    image = fabricate.picture(*size, seed=1)
    framed = letterbox(0.5).framed(image)
    assert framed.shape == (*frame, 3)
    left = (frame[1] - size[1]) // 2
    assert np.array_equal(framed[:, left : left + size[1]], image)
    assert not framed[:, :left].any()
    assert np.array_equal(letterbox(0.5).unframed(framed, size), image)
    assert letterbox(0.5).size_at(64) == (64, 32)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_wide_image_is_framed_above_and_below(dtype):
    image = fabricate.picture(20, 50, seed=2).astype(dtype)
    framed = letterbox(2.5).framed(image)
    assert framed.shape == (50, 50, 3)
    assert framed.dtype == dtype
    assert np.array_equal(framed[15:35], image)
    assert np.array_equal(letterbox(2.5).unframed(framed[..., 0], (20, 50)), image[..., 0])
    assert letterbox(2.5).size_at(100) == (40, 100)


def test_an_image_of_another_aspect_gets_the_same_parts_of_padding():
    image = fabricate.picture(40, 40, seed=3)
    framed = letterbox(0.5).framed(image)
    assert framed.shape == (40, 80, 3)
    assert np.array_equal(letterbox(0.5).unframed(framed, (40, 40)), image)


def test_what_is_padded_does_not_count_and_has_the_mean_colour():
    images = samples((60, 24), (60, 24), (120, 48))
    found = letterbox_of(settings(), images, None)
    assert found.aspect == pytest.approx(0.4)
    assert found.region.inside((60, 60)).mean() == pytest.approx(0.4, abs=0.01)
    assert np.array_equal(found.region.inside((60, 60))[:, 18:42], np.ones((60, 24), np.bool_))
    filled = found.region.filled(found.framed(images[0].image))
    assert np.array_equal(filled[:, 18:42], images[0].image)
    mean = np.mean([sample.image.mean(axis=(0, 1)) for sample in images], axis=0)
    np.testing.assert_allclose(filled[0, 0], mean, atol=1)
    again = Letterbox.of(json.loads(json.dumps(found.as_dict())))
    assert (again.aspect, again.region.fill) == (found.aspect, found.region.fill)
    assert np.array_equal(again.region.mask, found.region.mask)
    assert Letterbox.of(None) is None


def test_a_region_of_interest_moves_with_the_image_into_the_frame():
    given = settings("image.roi=[0, 0, 1, 0.5]")  # the upper half
    images = samples((60, 30))
    region = region_of_interest(given, images)
    found = letterbox_of(given, images, region)
    inside = found.region.inside((60, 60))
    assert inside.mean() == pytest.approx(0.25)
    assert inside[:30, 15:45].all()
    assert found.region.fill == region.fill


def test_square_images_need_no_frame():
    assert letterbox_of(settings(), samples((60, 60), (60, 61)), None) is None
    assert letterbox_of(load_config().image, samples((60, 30)), None) is None


def test_images_of_several_aspects_are_refused():
    with pytest.raises(
        ConfigError, match=r"from 0\.5 to 2 times as wide as high, and one frame fits images of one aspect"
    ):
        letterbox_of(settings(), samples((60, 30), (30, 60)), None)


def test_a_frame_that_leaves_too_little_is_refused():
    with pytest.raises(ConfigError, match=r"image\.letterbox leave .* at least 16 are needed"):
        letterbox_of(settings("image.size=32"), samples((300, 20)), None)


def test_tiles_need_no_frame():
    with pytest.raises(ConfigError, match=r"image\.tile does not go with image\.letterbox"):
        settings("image.tile=64")
