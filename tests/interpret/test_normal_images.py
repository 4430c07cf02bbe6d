from __future__ import annotations

import io

import numpy as np
import PIL.Image
import pytest

from tests import fabricate
from utad.interpret.normal_images import THUMBNAIL, NormalImages, keep_images

CODES = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 8.0], [2.0, 8.0]], np.float32)


def kept(count: int = 4, max_bytes: int = 10**6, side: int = 32) -> NormalImages | None:
    pictures = [fabricate.picture(side, side, seed=seed) for seed in range(count)]
    codes = np.random.default_rng(0).normal(size=(count, 2)).astype(np.float32) if count > 4 else CODES[:count]
    return keep_images(pictures, codes, [f"bild {index}.png" for index in range(count)], max_bytes=max_bytes)


def test_the_nearest_come_first_at_distances_in_units_of_two_random_images():
    images = kept()
    assert images is not None
    found = images.nearest(np.array([2.0, 1.0], np.float32), 3)
    assert [neighbour.name for neighbour in found] == ["bild 1.png", "bild 3.png", "bild 0.png"]
    # Deviations are 1 and 4: the differences are 0 and 1/4, 0 and 7/4, 2 and 1/4.
    expected = [np.sqrt((a**2 + b**2) / 2 / 2) for a, b in ((0, 0.25), (0, 1.75), (2, 0.25))]
    assert [neighbour.distance for neighbour in found] == pytest.approx(expected, abs=1e-3)
    pairs = [neighbour.distance for code in CODES for neighbour in images.nearest(code, 4)]
    assert np.sqrt(np.mean(np.square(pairs))) == pytest.approx(1.0, abs=1e-3)


def test_thumbnails_look_like_the_images():
    images = kept(side=40)
    assert images is not None
    (first, *_) = images.nearest(CODES[2], 1)
    difference = first.thumbnail.astype(int) - fabricate.picture(40, 40, seed=2)
    assert np.abs(difference).mean() < 8


def test_large_images_become_small_and_grey_ones_stay_grey():
    pictures = [fabricate.picture(300, 200, seed=seed, grey=True) for seed in range(2)]
    images = keep_images(pictures, CODES[:2], ["a", "b"], max_bytes=10**6)
    assert images is not None
    with PIL.Image.open(io.BytesIO(images.thumbnails[0])) as picture:
        assert picture.size == (64, THUMBNAIL)
        assert picture.mode == "L"


def test_the_means_of_features_are_those_of_the_images():
    codes = np.random.default_rng(1).normal(3.0, 2.0, (30, 3, 4)).astype(np.float32)  # three features in four cells
    pictures = [fabricate.picture(16, 16, seed=seed) for seed in range(30)]
    images = keep_images(pictures, codes.reshape(30, 12), [str(index) for index in range(30)], max_bytes=10**6)
    assert images is not None
    np.testing.assert_allclose(images.feature_means, codes.mean(axis=2), atol=0.01)


def test_what_is_kept_survives_as_arrays():
    images = kept()
    assert images is not None
    arrays = images.arrays()
    again = NormalImages.of_arrays(arrays)
    assert again.names == images.names
    assert again.thumbnails == images.thumbnails
    np.testing.assert_array_equal(again.codes, images.codes)
    assert sum(array.nbytes for array in arrays.values()) == images.n_bytes()


@pytest.mark.parametrize("max_bytes", [3_000, 20_000, 60_000])
def test_no_more_is_kept_than_there_is_room_for_and_evenly(max_bytes):
    everything, some = kept(90), kept(90, max_bytes)
    assert everything is not None
    assert some is not None
    assert len(everything.names) == 90
    assert some.n_bytes() <= max_bytes
    # One more of average size would not have fitted by far.
    assert some.n_bytes() > 0.8 * max_bytes - 2 * everything.n_bytes() / 90
    rows = [everything.names.index(name) for name in some.names]
    assert rows == sorted(set(rows))
    assert max(np.diff([*rows, 90])) - min(np.diff([*rows, 90])) <= 1


def test_the_same_images_give_the_same_bytes():
    first, second = kept(20, 30_000), kept(20, 30_000)
    assert first is not None
    assert second is not None
    assert {name: array.tobytes() for name, array in first.arrays().items()} == {
        name: array.tobytes() for name, array in second.arrays().items()
    }


def test_without_room_for_one_none_is_kept():
    assert kept(4, 500) is None


def test_features_that_never_vary_do_no_harm():
    codes = np.array([[1.0, 5.0], [2.0, 5.0], [3.0, 5.0]], np.float32)
    pictures = [fabricate.picture(16, 16, seed=seed) for seed in range(3)]
    images = keep_images(pictures, codes, ["a", "b", "c"], max_bytes=10**6)
    assert images is not None
    assert np.isfinite(images.codes).all()
    assert [neighbour.name for neighbour in images.nearest(np.array([2.9, 5.0], np.float32), 1)] == ["c"]
