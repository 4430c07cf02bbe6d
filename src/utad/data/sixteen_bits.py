"""Images of 16 bits as the networks see them, without torch: graphs take bytes, and rounding would lose the rest."""

from __future__ import annotations

from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from utad.data.conversion import LUMA, is_grey
from utad.types import Image


def prepare_uint16(image: Image, size: int, channels: int) -> NDArray[np.float32]:
    """Resizes an image to a square and scales it to [0, 1]; bilinear and antialiased, in floating point.

    Args:
        image: `(H, W, 3)` uint16.
        size: side S of the result in pixels, at least 1.
        channels: 3 for RGB, 1 for luma.

    Returns:
        `(channels, S, S)` float32 in [0, 1].
    """
    grey = is_grey(image)
    # One channel at a time: of a large picture only one is ever held in floating point.
    planes = [_resized(image[:, :, channel], size) for channel in range(1 if grey else 3)]
    if grey:
        return np.repeat(np.stack(planes), channels, axis=0)
    if channels == 1:
        # After the resize: both are linear, and this way round fewer pixels are weighted.
        luma = sum(weight * plane for weight, plane in zip(LUMA, planes, strict=True))
        return np.clip(np.asarray(luma, dtype=np.float32), 0, 1)[None]
    return np.stack(planes)


def _resized(plane: NDArray[Any], size: int) -> NDArray[np.float32]:
    picture = PIL.Image.fromarray(plane.astype(np.float32))
    if picture.size != (size, size):
        picture = picture.resize((size, size), PIL.Image.Resampling.BILINEAR)
    resized: NDArray[np.float32] = np.clip(np.asarray(picture, dtype=np.float32) / 65535, 0, 1)
    return resized
