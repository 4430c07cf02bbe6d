"""Between images and the tensors that the networks read and write."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name everyone gives it
from numpy.typing import NDArray
from torch import Tensor

from utad.data.conversion import LUMA, check_image, is_grey
from utad.data.sixteen_bits import prepare_uint16
from utad.errors import InputError
from utad.types import Image


def to_tensor(image: Image, size: int, channels: int) -> Tensor:
    """Resizes an image to a square and scales it to [0, 1].

    The aspect ratio is not kept. The resize is bilinear and antialiased; for uint8 it is done in integers,
    which is several times faster and differs from the floating-point result by at most one level of 255.

    Args:
        image: `(H, W, 3)`, uint8 or uint16.
        size: side S of the result in pixels, at least 1.
        channels: 3 for RGB, 1 for luma (ITU-R BT.601).

    Returns:
        `(channels, S, S)` float32 in [0, 1], not sharing memory with `image`.

    Raises:
        InputError: `image` is not an image, or `size` or `channels` is out of range.
    """
    check_image(image)
    if size < 1:
        raise InputError(f"got size {size}, expected at least 1 pixel")
    if channels not in (1, 3):
        raise InputError(f"got {channels} channels, expected 1 (grey) or 3 (RGB)")
    if image.dtype == np.uint16:
        return torch.from_numpy(prepare_uint16(image, size, channels))
    grey = is_grey(image)
    pixels = image[:, :, :1] if grey else image  # (H, W, 1 or 3)
    resized = _resize_uint8(pixels, size)
    if grey:
        return resized.repeat(channels, 1, 1)  # (channels, S, S)
    if channels == 1:
        # After the resize: both are linear, and this way round fewer pixels are weighted.
        luma: Tensor = torch.tensordot(torch.tensor(LUMA), resized, dims=1)  # (S, S)
        return luma.unsqueeze(0).clamp(0, 1)  # (1, S, S)
    return resized


def to_uint8(tensor: Tensor, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Turns a network's picture into pixels for showing.

    Args:
        tensor: `(C, h, w)`, floating, C 1 or 3, meant to lie in [0, 1]; what lies outside is clipped and NaN
            is shown black. Any device.
        size: `(H, W)` of the result.

    Returns:
        `(H, W, 3)` uint8.

    Raises:
        InputError: the tensor has another shape or type.
    """
    if tensor.ndim != 3 or tensor.shape[0] not in (1, 3) or not tensor.is_floating_point():
        raise InputError(
            f"got a tensor of shape {tuple(tensor.shape)} and type {tensor.dtype}, "
            "expected floats of shape (C, H, W) with C 1 or 3"
        )
    picture = tensor.detach().cpu().float().nan_to_num(nan=0.0)
    levels = (picture.clamp(0, 1) * 255).round().to(torch.uint8)[None]  # (1, C, h, w)
    if tuple(levels.shape[2:]) != size:
        # In integers, as `to_tensor` does: several times faster, and at most one level off.
        levels = F.interpolate(levels, size=size, mode="bilinear", align_corners=False, antialias=True)
    pixels: NDArray[np.uint8] = levels[0].expand(3, -1, -1).permute(1, 2, 0).contiguous().numpy()  # (H, W, 3)
    return pixels


def _resize_uint8(pixels: Image, size: int) -> Tensor:
    batch = _from_numpy(pixels).permute(2, 0, 1).unsqueeze(0)  # (1, C, H, W), channels last in memory
    if batch.shape[2:] != (size, size):
        batch = F.interpolate(batch, size=(size, size), mode="bilinear", align_corners=False, antialias=True)
    return batch[0].contiguous().float() / 255  # (C, S, S)


def _from_numpy(pixels: Image) -> Tensor:
    # torch warns about arrays it may not write to, and cannot hold negative strides.
    contiguous = np.ascontiguousarray(pixels)
    return torch.from_numpy(contiguous if contiguous.flags.writeable else contiguous.copy())
