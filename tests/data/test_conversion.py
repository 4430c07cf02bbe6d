from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from utad.data.conversion import check_image, image_from_array, image_from_pil, one_line, oriented
from utad.errors import InputError


def test_uint8_rgb_is_passed_through():
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert image_from_array(pixels) is pixels


@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 1)])
def test_grey_becomes_three_equal_channels(shape):
    pixels = np.arange(12, dtype=np.uint8).reshape(shape)
    image = image_from_array(pixels)
    assert image.shape == (3, 4, 3)
    assert all(np.array_equal(image[..., c], pixels.reshape(3, 4)) for c in range(3))


def test_bool_becomes_black_and_white():
    assert image_from_array(np.array([[True, False]])).tolist() == [[[255] * 3, [0] * 3]]


def test_float_becomes_uint16_at_full_scale():
    image = image_from_array(np.array([[0.0, 0.5, 1.0]]))
    assert image.dtype == np.uint16
    assert image[0, :, 0].tolist() == [0, 32768, 65535]


@given(st.integers(0, 65535))
def test_float_keeps_sixteen_bits(level):
    # The second pixel is not one of 8 bits, so neither is the image.
    assert image_from_array(np.array([[level / 65535, 0.5]], np.float32))[0, 0, 0] == level


@given(arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=6), elements=st.integers(0, 255)))
def test_the_same_pixels_are_the_same_image_whatever_type_they_come_in(pixels):
    expected = image_from_array(pixels)
    forms = (pixels / 255, pixels.astype(np.float32) / np.float32(255), pixels.astype(np.uint16) * 257)
    for form in forms:
        image = image_from_array(form)
        assert image.dtype == np.uint8
        assert np.array_equal(image, expected)


def test_rounding_beyond_the_range_is_forgiven():
    assert image_from_array(np.array([[1 + 1e-7, 0.5, -1e-7]]))[0, :, 0].tolist() == [65535, 32768, 0]


def test_big_endian_keeps_its_values():
    image = image_from_array(np.array([[1, 256, 40000]], dtype=">u2"))
    assert image.dtype == np.dtype("uint16")
    assert image[0, :, 0].tolist() == [1, 256, 40000]


def test_transparent_pixels_are_white_and_opaque_ones_unchanged():
    pixels = np.array([[[10, 20, 30, 255], [10, 20, 30, 0], [100, 0, 200, 51]]], np.uint8)
    # 51 / 255 = 0.2: 0.2 * 100 + 0.8 * 255 = 224, 204, 244.
    assert image_from_array(pixels)[0].tolist() == [[10, 20, 30], [255, 255, 255], [224, 204, 244]]


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((2, 3, 2), np.uint8), "shape"),
        (np.zeros((1, 2, 3, 3), np.uint8), "shape"),
        (np.zeros(5, np.uint8), "shape"),
        (np.zeros((0, 4, 3), np.uint8), "empty"),
        (np.zeros((2, 2), np.int64), "int64"),
        (np.zeros((2, 2), np.complex64), "complex64"),
        (np.full((2, 2), np.nan), "NaN"),
        (np.full((2, 2), np.inf), "infinite"),
        (np.full((2, 2), 255.0), "from 255 to 255"),
        (np.full((2, 2), -0.1), "from -0.1"),
        ([[1, 2]], "list"),
    ],
)
def test_refuses_what_is_not_an_image(array, words):
    with pytest.raises(InputError, match=words) as caught:
        image_from_array(array, name="part 7")
    assert str(caught.value).startswith("part 7: ")


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV", "LAB"]
)
def test_every_pillow_mode_gives_uint8_rgb(mode):
    image = image_from_pil(Image.new(mode, (5, 4)))
    assert image.shape == (4, 5, 3)
    assert image.dtype == np.uint8


def test_lab_is_converted_by_colour_and_not_by_channel():
    # L = 255 of 255 with a = b = 0, which Pillow stores as 128, is white.
    assert image_from_pil(Image.new("LAB", (1, 1), (255, 128, 128)))[0, 0].min() >= 253


def test_mode_i_beyond_sixteen_bits_is_refused():
    with pytest.raises(InputError, match="70000"):
        image_from_pil(Image.fromarray(np.array([[0, 70000]], np.int32)))


def test_mode_i_within_sixteen_bits_keeps_its_values():
    image = image_from_pil(Image.fromarray(np.array([[0, 65535, 300]], np.int32)))
    assert image[0, :, 0].tolist() == [0, 65535, 300]


def test_empty_and_foreign_objects_are_refused():
    with pytest.raises(InputError, match="empty"):
        image_from_pil(Image.new("RGB", (0, 3)))
    with pytest.raises(InputError, match="str"):
        image_from_pil("image.png")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("orientation", "method"),
    [
        (1, None),
        (2, Image.Transpose.FLIP_LEFT_RIGHT),
        (3, Image.Transpose.ROTATE_180),
        (4, Image.Transpose.FLIP_TOP_BOTTOM),
        (5, Image.Transpose.TRANSPOSE),
        (6, Image.Transpose.ROTATE_270),
        (7, Image.Transpose.TRANSVERSE),
        (8, Image.Transpose.ROTATE_90),
    ],
)
def test_orientations_agree_with_pillow(orientation, method):
    pixels = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    expected = pixels if method is None else np.asarray(Image.fromarray(pixels).transpose(method))
    assert np.array_equal(oriented(pixels, orientation), expected)


def test_check_image_names_size_and_limit():
    with pytest.raises(InputError, match="10 x 40 pixels, expected 32"):
        check_image(np.zeros((10, 40, 3), np.uint8), min_side=32)
    with pytest.raises(InputError, match="float64"):
        check_image(np.zeros((10, 40, 3)))


def test_one_line():
    assert one_line(ValueError("a\n  b")) == "a b"
    assert one_line(KeyboardInterrupt()) == "KeyboardInterrupt"
