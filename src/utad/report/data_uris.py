"""Pictures as data URIs, so that a page is one file."""

from __future__ import annotations

import base64
import io

import numpy as np
import PIL.Image
from numpy.typing import NDArray

_EXACT = 256 * 256
"""Pixels up to which a picture is kept as it is; larger ones become JPEG, which is a fraction of the bytes."""

_FAST = 1
"""Of zlib: its default takes twice the time of a page beside the networks, and saves a seventh of the bytes."""


def picture_uri(pixels: NDArray[np.uint8], longest: int) -> str:
    """A picture `(H, W, 3)`, made smaller where its longer side has more than `longest` pixels."""
    picture = PIL.Image.fromarray(pixels)
    picture.thumbnail((longest, longest), PIL.Image.Resampling.BOX)
    if picture.width * picture.height <= _EXACT:
        return _uri(picture, "PNG", compress_level=_FAST)
    return _uri(picture, "JPEG", quality=92, subsampling=0)


def layer_uri(colours: NDArray[np.uint8], opacity: NDArray[np.float32]) -> str:
    """Colours `(h, w, 3)` with an opacity `(h, w)` in [0, 1] at each pixel, to be laid over a picture."""
    alpha = np.round(255.0 * opacity).astype(np.uint8)
    return _uri(PIL.Image.fromarray(np.dstack([colours, alpha])), "PNG", compress_level=_FAST)


def _uri(picture: PIL.Image.Image, kind: str, **options: int) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"
