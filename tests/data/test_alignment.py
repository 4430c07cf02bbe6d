from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from utad.data.alignment import SIDE, Alignment, fit_alignment, grey_of
from utad.data.motion import Registration, about_the_middle, at_size, composed, in_parts, inverse

HEIGHT, WIDTH = 150, 200


def part(seed: int = 0, height: int = HEIGHT, width: int = WIDTH, noise: float = 2.0):
    """A part with marks on it on a plain ground, as a camera sees it: every photograph has other noise."""
    rows, columns = np.mgrid[:height, :width]
    picture = np.full((height, width), 60.0)
    picture[30:120, 40:165] = 150
    picture[45:60, 60:140] = 220
    picture[(rows - 90) ** 2 + (columns - 70) ** 2 < 15**2] = 30
    picture[80:110, 120:128] = 240
    picture = gaussian_filter(picture, 1) + np.random.default_rng(seed).normal(0, noise, (height, width))
    return np.repeat(picture.clip(0, 255).round().astype(np.uint8)[..., None], 3, axis=2)


def moved(image, *, angle: float = 0.0, scale: float = 1.0, right: float = 0.0, down: float = 0.0):
    """The image turned by degrees about its middle, scaled and shifted by pixels; what it is moved by, in parts."""
    matrix = about_the_middle(math.radians(angle), scale, image.shape[:2])
    matrix = composed(np.array([[1.0, 0.0, right], [0.0, 1.0, down]]), matrix)
    back = Registration(in_parts(inverse(matrix), image.shape[:2]), 1.0, succeeded=True)
    return back.aligned(image), in_parts(matrix, image.shape[:2])


def distance(found, wanted, size=(HEIGHT, WIDTH)) -> float:
    """By how many pixels two motions differ at most, over the middle half of an image."""
    points = np.array([[x, y, 1.0] for x in (0.25, 0.5, 0.75) for y in (0.25, 0.5, 0.75)])
    return float(np.abs((points @ (found - wanted).T) * [size[1], size[0]]).max())


@pytest.fixture(scope="module")
def pictures():
    return [grey_of(part(seed)) for seed in range(6)]


@pytest.fixture(scope="module")
def similarity(pictures):
    return fit_alignment(pictures, "similarity")


def test_grey_values_have_the_longest_side_of_the_reference():
    assert grey_of(part()).shape == (round(SIDE * HEIGHT / WIDTH), SIDE)
    eight, sixteen = (grey_of(image).astype(float).ravel() for image in (part(), part().astype(np.uint16) * 16))
    assert np.corrcoef(eight, sixteen)[0, 1] > 0.999


@settings(max_examples=25, deadline=None)
@given(right=st.floats(-25, 25), down=st.floats(-20, 20))
def test_a_translation_is_found(pictures, right, down):
    image, wanted = moved(part(99), right=right, down=down)
    found = fit_alignment(pictures[:2], "translation").register(image)
    assert found.succeeded
    assert distance(found.matrix, wanted) < 1.0


@settings(max_examples=25, deadline=None)
@given(angle=st.floats(-12, 12), scale=st.floats(0.93, 1.08), right=st.floats(-12, 12), down=st.floats(-12, 12))
def test_a_similarity_is_found(similarity, angle, scale, right, down):
    image, wanted = moved(part(99), angle=angle, scale=scale, right=right, down=down)
    found = similarity.register(image)
    assert found.succeeded
    assert distance(found.matrix, wanted) < 2.0


def test_what_lies_askew_is_straight_afterwards(similarity):
    straight = part(99, noise=0.0)
    image, _ = moved(straight, angle=5, right=6, down=-4)
    aligned = similarity.register(image).aligned(image)
    middle = (slice(40, 110), slice(50, 150))
    before, after = (np.abs(one[middle].astype(int) - straight[middle]).mean() for one in (image, aligned))
    assert after < 0.2 * before


def test_an_image_that_lies_right_hardly_moves(similarity):
    found = similarity.register(part(7))
    assert found.succeeded
    assert distance(found.matrix, np.eye(2, 3)) < 0.5


@pytest.mark.parametrize("kind", ["noise", "plain", "other part", "upside down"])
def test_what_is_not_the_part_is_not_registered(similarity, kind):
    other = part(3)
    if kind == "noise":
        other = np.random.default_rng(0).integers(0, 255, other.shape).astype(np.uint8)
    elif kind == "plain":
        other[...] = 128
    elif kind == "other part":
        other = np.repeat((np.indices((HEIGHT, WIDTH)).sum(axis=0) // 25 % 2 * 200).astype(np.uint8)[..., None], 3, 2)
    else:
        other = 255 - other
    found = similarity.register(other)
    assert not found.succeeded
    assert np.array_equal(found.matrix, np.eye(2, 3))
    assert found.aligned(other) is other


def test_16_bits_and_other_sizes_are_registered_alike(similarity):
    image, wanted = moved(part(99), angle=4, right=5)
    found = similarity.register(image.astype(np.uint16) * 16)
    assert found.succeeded
    assert distance(found.matrix, wanted) < 2.0
    larger = np.kron(image, np.ones((2, 2, 1), np.uint8))
    assert distance(similarity.register(larger).matrix, wanted) < 2.0
    assert found.aligned(image.astype(np.uint16) * 16).dtype == np.uint16


def test_both_types_are_moved_by_the_same():
    image = part(1)
    _, matrix = moved(image, angle=7, scale=1.05, right=9, down=3)
    registration = Registration(matrix, 1.0, succeeded=True)
    eight, sixteen = registration.aligned(image), registration.aligned(image.astype(np.uint16) * 257) / 257
    assert eight.shape == image.shape
    assert np.abs(eight - sixteen).max() <= 1.5


def test_maps_come_back_to_where_the_image_has_it():
    image = part(1)
    straight = np.zeros((HEIGHT, WIDTH), np.float32)
    straight[95:105, 150:158] = 1.0
    marked, matrix = moved(np.repeat((255 * straight).astype(np.uint8)[..., None], 3, 2), angle=6, right=8, down=-5)
    registration = Registration(matrix, 1.0, succeeded=True)
    back = registration.brought_back(straight)
    assert back.dtype == np.float32
    assert np.abs(back - marked[..., 0] / 255).max() < 0.25
    assert Registration(np.eye(2, 3), 1.0, succeeded=True).brought_back(straight) is straight
    assert registration.back().aligned(image).shape == image.shape


def test_beyond_the_edges_a_map_has_its_lowest_value_and_an_image_that_of_its_edge():
    registration = Registration(np.array([[1.0, 0.0, 0.2], [0.0, 1.0, 0.0]]), 1.0, succeeded=True)
    image = np.full((10, 20, 3), 77, np.uint8)
    assert (registration.aligned(image) == 77).all()
    values = np.linspace(1, 3, 200, dtype=np.float32).reshape(10, 20)
    back = registration.brought_back(values)
    assert (back[:, :4] == 1.0).all()
    assert np.allclose(back[:, 5:], values[:, 1:16], atol=1e-5)


@given(angle=st.floats(-1, 1), scale=st.floats(0.8, 1.2), height=st.integers(5, 900), width=st.integers(5, 900))
def test_parts_and_pixels_tell_the_same(angle, scale, height, width):
    matrix = about_the_middle(angle, scale, (height, width))
    parts = in_parts(matrix, (height, width))
    assert np.allclose(parts @ [0.5, 0.5, 1.0], [0.5, 0.5])
    assert np.allclose(composed(matrix, inverse(matrix)), np.eye(2, 3), atol=1e-6)
    assert np.allclose(at_size(parts, (height, width))[:, :2], matrix[:, :2])


def test_an_alignment_is_what_it_was_after_a_manifest(similarity):
    again = Alignment.of(similarity.as_dict())
    assert np.array_equal(again.reference, similarity.reference)
    assert (again.motion, again.least_agreement) == (similarity.motion, similarity.least_agreement)
    assert Alignment.of(None) is None
