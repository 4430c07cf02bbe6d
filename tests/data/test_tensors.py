from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage.transform import rescale

from tests import fabricate
from utad.data.conversion import is_grey
from utad.data.tensors import to_tensor, to_uint8
from utad.errors import InputError


def noise(shape: tuple[int, int], *, dtype: type = np.uint8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, (*shape, 3), dtype)


def test_without_a_resize_values_are_exact():
    pixels = noise((16, 16))
    tensor = to_tensor(pixels, 16, 3)
    assert tensor.dtype == torch.float32
    assert np.array_equal(tensor.numpy(), pixels.transpose(2, 0, 1).astype(np.float32) / 255)


@pytest.mark.parametrize("shape", [(300, 300), (97, 61), (20, 33), (257, 500)])
def test_resize_agrees_with_pillow(shape):
    pixels = noise(shape)
    planes = [Image.fromarray(pixels[..., c].astype(np.float32)) for c in range(3)]
    resized = np.stack([np.asarray(plane.resize((64, 64), Image.Resampling.BILINEAR)) for plane in planes])
    assert np.abs(to_tensor(pixels, 64, 3).numpy() - resized / 255).max() < 1 / 255
    wide = to_tensor(pixels.astype(np.uint16) * 257, 64, 3).numpy()
    assert np.abs(wide - resized / 255).max() < 1e-5


def test_enlarging_agrees_with_scikit_image():
    pixels = noise((16, 16))
    expected = rescale(pixels / 255, 2, order=1, mode="edge", channel_axis=2, anti_aliasing=False)
    assert np.abs(to_tensor(pixels, 32, 3).numpy() - expected.transpose(2, 0, 1)).max() < 1.01 / 255


def test_halving_a_fine_checkerboard_gives_grey_and_not_stripes():
    board = np.indices((64, 64)).sum(axis=0) % 2 * 255
    image = np.repeat(board[..., None], 3, axis=2).astype(np.uint8)
    centre = to_tensor(image, 32, 1)[0, 2:-2, 2:-2]
    assert torch.allclose(centre, torch.tensor(0.5), atol=2 / 255)


def test_one_channel_is_the_luma_of_bt_601():
    colours = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]], np.uint8)
    assert torch.allclose(to_tensor(colours, 2, 1).flatten(), torch.tensor([0.299, 0.587, 0.114, 1.0]))


def test_luma_of_grey_is_the_grey_itself():
    grey = fabricate.picture(32, 32, grey=True)
    assert np.array_equal(to_tensor(grey, 32, 1)[0].numpy(), grey[..., 0].astype(np.float32) / 255)
    assert torch.equal(to_tensor(grey, 16, 3)[2], to_tensor(grey, 16, 1)[0])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(1, 10_000), (10_000, 1), (1, 1), (3, 2)])
@pytest.mark.parametrize("channels", [1, 3])
def test_extreme_shapes_stay_finite_and_in_range(shape, dtype, channels):
    tensor = to_tensor(noise(shape, dtype=dtype), 32, channels)
    assert tensor.shape == (channels, 32, 32)
    assert torch.isfinite(tensor).all()
    assert 0 <= tensor.min() <= tensor.max() <= 1


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 70), st.integers(1, 70), st.integers(0, 255), st.integers(1, 40))
def test_a_flat_image_stays_flat(height, width, level, size):
    flat = np.full((height, width, 3), level, np.uint8)
    assert torch.allclose(to_tensor(flat, size, 3), torch.tensor(level / 255), atol=1e-6)


def test_large_reduction_keeps_the_mean():
    pixels = noise((2000, 1500))
    assert abs(to_tensor(pixels, 8, 3).mean().item() - pixels.mean() / 255) < 2 / 255


def test_read_only_flipped_and_shared_arrays():
    pixels = noise((9, 9))
    frozen = pixels.copy()
    frozen.setflags(write=False)
    assert torch.equal(to_tensor(frozen, 9, 3), to_tensor(pixels, 9, 3))
    assert torch.equal(to_tensor(pixels[::-1], 9, 3), to_tensor(pixels, 9, 3).flip(1))
    tensor = to_tensor(pixels, 9, 3)
    tensor.zero_()
    assert np.array_equal(pixels, noise((9, 9)))


@pytest.mark.parametrize(
    ("image", "size", "channels", "words"),
    [
        (np.zeros((4, 4), np.uint8), 4, 3, "shape"),
        (np.zeros((4, 4, 3)), 4, 3, "float64"),
        (np.zeros((4, 4, 3), np.uint8), 0, 3, "size 0"),
        (np.zeros((4, 4, 3), np.uint8), 4, 2, "2 channels"),
    ],
)
def test_to_tensor_refuses(image, size, channels, words):
    with pytest.raises(InputError, match=words):
        to_tensor(image, size, channels)


def test_is_grey():
    grey = fabricate.picture(5, 5, grey=True)
    assert is_grey(grey)
    for channel in range(3):
        tinted = grey.copy()
        tinted[4, 4, channel] ^= 1
        assert not is_grey(tinted)


@given(st.integers(0, 255))
def test_to_uint8_inverts_to_tensor(level):
    pixels = np.full((2, 3, 3), level, np.uint8)
    assert np.array_equal(to_uint8(torch.full((3, 2, 3), level / 255), (2, 3)), pixels)


def test_to_uint8_clips_repeats_grey_and_resizes():
    tensor = torch.tensor([[[-1.0, 0.5], [2.0, float("nan")]]])
    assert to_uint8(tensor, (2, 2))[..., 1].tolist() == [[0, 128], [255, 0]]
    shown = to_uint8(torch.rand(1, 8, 8, dtype=torch.bfloat16).requires_grad_(), (20, 30))
    assert shown.shape == (20, 30, 3)
    assert shown.dtype == np.uint8
    assert is_grey(shown)


@pytest.mark.parametrize("tensor", [torch.rand(4, 2, 2), torch.rand(2, 2), torch.zeros(3, 2, 2, dtype=torch.uint8)])
def test_to_uint8_refuses(tensor):
    with pytest.raises(InputError, match="expected floats"):
        to_uint8(tensor, (2, 2))
