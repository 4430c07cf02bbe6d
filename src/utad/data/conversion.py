"""From arrays and Pillow images of every kind to the one form of an image: `(H, W, 3)`, uint8 or uint16."""

from __future__ import annotations

import logging
from typing import Any, TypeVar, cast

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL import ExifTags
from PIL.TiffImagePlugin import TiffImageFile

from utad.data.pillow_warnings import quiet_pillow
from utad.errors import InputError
from utad.types import Image

_log = logging.getLogger(__name__)

LUMA = (0.299, 0.587, 0.114)
"""ITU-R BT.601, the weights that Pillow and OpenCV use for grey."""

_Scalar = TypeVar("_Scalar", bound=np.generic)


def image_from_array(array: NDArray[Any], *, name: str = "array") -> Image:
    """Turns an array into an image.

    Args:
        array: `(H, W)`, `(H, W, 1)`, `(H, W, 3)` or `(H, W, 4)`; uint8, uint16, bool, or float in [0, 1].
            The channels are RGB. A fourth one is opacity; the colours are laid over white.
        name: what to call the array in an error.

    Returns:
        `(H, W, 3)`; uint8 for uint8 and bool (255 for true), uint16 at full scale for uint16 and float, unless every
        value is one of 8 bits (a multiple of 1 / 255 of the full scale): then uint8, so that the same pixels give the
        same score whatever type they come in. May share memory with `array`: copy it before writing to it.

    Raises:
        InputError: wrong number of dimensions, channels or dtype; empty; NaN, infinite or out of [0, 1].
    """
    if not isinstance(array, np.ndarray):
        raise InputError(f"{name}: got {type(array).__name__}, expected a NumPy array")
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise InputError(f"{name}: got shape {array.shape}, expected (H, W) or (H, W, C) with 1, 3 or 4 channels last")
    if array.size == 0:
        raise InputError(f"{name}: got an empty array of shape {array.shape}, expected at least one pixel")
    pixels = without_empty_bits(_full_scale(array, name))
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]  # (H, W, 1)
    if pixels.shape[2] == 4:
        return _over_white(pixels)
    if pixels.shape[2] == 1:
        return cast("Image", np.repeat(pixels, 3, axis=2))
    return pixels


def image_from_pil(image: PIL.Image.Image) -> Image:
    """Turns a Pillow image of any mode into an image, the way `read_image` does.

    The EXIF orientation is applied; of several frames the current one is taken; transparent parts are laid
    over white, because the colour stored under them is arbitrary; CMYK, palette, LAB and the like become RGB.

    Args:
        image: any mode. `I` must hold [0, 65535] and `F` [0, 1].

    Returns:
        `(H, W, 3)`; uint16 for the modes of 16 bits and more (`I;16`, `I`, `F`), else uint8.

    Raises:
        InputError: not a Pillow image, empty, out of range, or its file cannot be decoded.
    """
    if not isinstance(image, PIL.Image.Image):
        raise InputError(f"got {type(image).__name__}, expected a PIL.Image.Image")
    with quiet_pillow():
        return decoded(image)


def decoded(image: PIL.Image.Image) -> Image:
    """What `image_from_pil` does, for those who have silenced Pillow's warnings already.

    Raises:
        InputError: empty, out of range, or the file cannot be decoded.
    """
    try:
        orientation = orientation_of(image)
        pixels = _decode(image)
    except InputError:
        raise
    except Exception as error:
        # Pillow's decoders raise whatever the damage makes them raise: struct.error, SyntaxError, ...
        raise InputError(f"the image cannot be decoded: {one_line(error)}") from error
    return cast("Image", oriented(pixels, orientation))


def is_grey(image: Image) -> bool:
    """Whether the three channels are equal everywhere.

    Args:
        image: `(H, W, 3)`, uint8 or uint16.
    """
    red, green, blue = image[:, :, 0], image[:, :, 1], image[:, :, 2]
    return bool(np.array_equal(red, green) and np.array_equal(red, blue))


def check_image(image: Image, *, name: str = "image", min_side: int = 1) -> None:
    """Raises `InputError` unless `image` is `(H, W, 3)`, uint8 or uint16, with sides of `min_side` up."""
    shape = image.shape
    if len(shape) != 3 or shape[2] != 3 or min(shape) == 0 or image.dtype not in (np.uint8, np.uint16):
        raise InputError(
            f"{name}: got shape {shape} and dtype {image.dtype}, expected (H, W, 3) of uint8 or uint16; "
            "utad.data.image_from_array makes one"
        )
    if min(shape[:2]) < min_side:
        raise InputError(f"{name}: got {shape[0]} x {shape[1]} pixels, expected {min_side} or more a side")


def orientation_of(image: PIL.Image.Image) -> int:
    """The EXIF orientation still to be applied to `image`, 1 to 8; 1 where there is none or it is unreadable.

    Damaged metadata does not make the pixels worthless, so it counts as absent. Only the header is read.
    """
    if isinstance(image, TiffImageFile):
        return 1  # Pillow turns these itself, in the size as well as in the pixels.
    try:
        # Not image.getexif(): for PNG that decodes the whole picture.
        value = PIL.Image.Image.getexif(image).get(ExifTags.Base.Orientation, 1)
    except Exception as error:
        _log.debug("EXIF data ignored: %s", one_line(error))
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def oriented(pixels: NDArray[_Scalar], orientation: int) -> NDArray[_Scalar]:
    """Applies an EXIF orientation to `(H, W)` or `(H, W, C)`; the values are those of the EXIF standard."""
    if orientation in (5, 6, 7, 8):
        pixels = np.swapaxes(pixels, 0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def one_line(error: BaseException) -> str:
    """What an exception says, on one line, never empty."""
    return " ".join(str(error).split()) or type(error).__name__


def _decode(image: PIL.Image.Image) -> Image:
    name = f"image of mode {image.mode}"
    if image.mode == "F" or image.mode.startswith("I;16"):
        return image_from_array(np.array(image), name=name)
    if image.mode == "I":
        values = np.array(image)
        if values.size and (values.min() < 0 or values.max() > 65535):
            raise InputError(
                f"{name}: got values from {values.min()} to {values.max()}, expected 0 to 65535; "
                "save it with 16 bits a channel"
            )
        return image_from_array(values.astype(np.uint16), name=name)
    if image.mode == "LAB":
        return image_from_array(np.array(_rgb_from_lab(image)), name=name)
    if image.mode == "La":
        image = image.convert("LA")  # the one mode that Pillow cannot turn to RGBA in one step
    mode = "RGBA" if image.has_transparency_data else "RGB"
    return image_from_array(np.array(image.convert(mode)), name=name)


def _rgb_from_lab(image: PIL.Image.Image) -> PIL.Image.Image:
    from PIL import ImageCms

    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
    assert converted is not None
    return converted


def _full_scale(array: NDArray[Any], name: str) -> Image:
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype.kind == "u" and array.dtype.itemsize <= 2:
        return cast("Image", array.astype(array.dtype.newbyteorder("="), copy=False))
    if array.dtype.kind != "f":
        raise InputError(
            f"{name}: got dtype {array.dtype}, expected uint8, uint16, bool, or float in [0, 1]; convert it first"
        )
    if not np.isfinite(array).all():
        raise InputError(f"{name}: got NaN or infinite values, expected floats in [0, 1]")
    low, high = float(array.min()), float(array.max())
    # Resampling in single precision ends a hair outside; that is not a wrong range.
    if low < -1e-6 or high > 1 + 1e-6:
        raise InputError(
            f"{name}: got floats from {low:g} to {high:g}, expected [0, 1]; divide by the full scale first"
        )
    wide = array.astype(np.float32, copy=False)
    return cast("Image", np.rint(np.clip(wide, 0, 1) * np.float32(65535)).astype(np.uint16))


def without_empty_bits(pixels: Image) -> Image:
    """What has 8 bits stretched to 16, as uint8: each depth has a resize of its own, which rounds differently."""
    if pixels.dtype == np.uint8 or (pixels[:1] % 257).any() or (pixels % 257).any():
        return pixels
    return cast("Image", (pixels // 257).astype(np.uint8))


def _over_white(pixels: Image) -> Image:
    full = float(np.iinfo(pixels.dtype).max)
    opacity = pixels[:, :, 3:].astype(np.float32) / np.float32(full)  # (H, W, 1)
    colour = pixels[:, :, :3].astype(np.float32)
    return cast("Image", np.rint(colour * opacity + np.float32(full) * (1 - opacity)).astype(pixels.dtype))
