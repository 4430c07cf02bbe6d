"""Pictures as data URIs, so that a page is one file."""

from __future__ import annotations

import base64
import io

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from utad.interpret.figures import coloured, heat_layer, opacity_of, thinned
from utad.types import FloatMap

_EXACT = 256 * 256
"""Pixels up to which a picture is kept as it is; larger ones become JPEG, which is a fraction of the bytes."""

_TINY = 64 * 64
"""Pixels up to which a thumbnail loses nothing."""

_LEVELS = 65
"""Colours of a map in a palette, an odd number: one of them is that of the threshold."""

_FAST = 1
"""Of zlib: its default takes twice the time of a page beside the networks, and saves a seventh of the bytes."""


def picture_uri(pixels: NDArray[np.uint8], longest: int) -> str:
    """A picture `(H, W, 3)`, made smaller where its longer side has more than `longest` pixels."""
    picture = PIL.Image.fromarray(pixels)
    picture.thumbnail((longest, longest), PIL.Image.Resampling.BOX)
    if picture.width * picture.height <= _EXACT:
        return _uri(picture, "PNG", compress_level=_FAST)
    return _uri(picture, "JPEG", quality=92, subsampling=0)


def layer_uri(level: FloatMap) -> str:
    """A map of levels `(h, w)` in [0, 1] as colours that cover the more the higher they are."""
    return _uri(PIL.Image.fromarray(heat_layer(level)), "PNG", compress_level=_FAST)


def thumbnail_uri(pixels: NDArray[np.uint8], longest: int, most_bytes: int) -> str:
    """A picture `(H, W, 3)` as WebP, its longer side `longest` pixels or as many fewer as `most_bytes` of file ask for.

    The smallest of the sizes that are tried is taken whatever it has.
    """
    picture = PIL.Image.fromarray(pixels)
    lossless = picture.width * picture.height <= _TINY
    for side in _smaller(longest):
        picture.thumbnail((side, side), PIL.Image.Resampling.BOX)
        file = _encoded(picture, "WEBP", quality=85, method=2, lossless=lossless)
        if len(file) <= most_bytes:
            break
    return _data_uri(file, "WEBP")


def heat_uri(level: FloatMap, longest: int, most_bytes: int) -> str:
    """A map of levels `(H, W)` in [0, 1] as colours that cover the more the higher they are, in as many bytes at most.

    `_LEVELS` colours of a palette: a third of the bytes of `layer_uri`, and the threshold keeps its own.
    """
    steps = np.linspace(0.0, 1.0, _LEVELS, dtype=np.float32)
    opacity = np.round(255.0 * opacity_of(steps)).astype(np.uint8).tobytes()
    for side in _smaller(longest):
        picture = PIL.Image.fromarray(np.round(thinned(level, side) * (_LEVELS - 1)).astype(np.uint8), "P")
        picture.putpalette(coloured(steps[None])[0].tobytes())
        file = _encoded(picture, "PNG", transparency=opacity)
        if len(file) <= most_bytes:
            break
    return _data_uri(file, "PNG")


def _smaller(longest: int) -> list[int]:
    return [longest * share // 8 for share in (8, 6, 4, 3, 2)]


def _uri(picture: PIL.Image.Image, kind: str, **options: int) -> str:
    return _data_uri(_encoded(picture, kind, **options), kind)


def _encoded(picture: PIL.Image.Image, kind: str, **options: int | bytes) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def _data_uri(file: bytes, kind: str) -> str:
    return f"data:image/{kind.lower()};base64,{base64.b64encode(file).decode()}"
