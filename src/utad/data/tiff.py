"""Saying what a TIFF file holds that Pillow does not read."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from PIL.TiffImagePlugin import ImageFileDirectory_v2

from utad.data.pillow_warnings import quiet_pillow

_BITS, _BANDS, _KIND = 258, 277, 339
# What Pillow's reader of tags raises on a damaged file.
_DAMAGE = (OSError, EOFError, SyntaxError, struct.error, TypeError, ValueError, LookupError, ArithmeticError)
_KINDS = {1: "unsigned", 2: "signed", 3: "float"}

ACCEPTED = "grey of 8 or 16 bits, grey of 32-bit floats in [0, 1], or colour (RGB, RGBA, CMYK) of 8 bits a channel"


def unread_tiff(path: Path) -> str | None:
    """What a TIFF file is, and what is accepted; None for a file that is no TIFF.

    Args:
        path: of a file that could not be opened as an image.
    """
    try:
        with quiet_pillow(), path.open("rb") as file:
            header = file.read(8)
            if header[:4] not in (b"II*\0", b"MM\0*"):
                return None
            tags = ImageFileDirectory_v2(header)
            file.seek(tags.next)
            tags.load(file)
            bits, bands = _first(tags.get(_BITS, 1)), int(tags.get(_BANDS, 1))
            kind = _KINDS.get(_first(tags.get(_KIND, 1)), "other")
    except _DAMAGE:
        return None  # Pillow's own words are better than a guess.
    return (
        f"a TIFF of {bands} band{'' if bands == 1 else 's'} of {bits}-bit {kind} values, which is not read; accepted "
        f"are {ACCEPTED}: convert it, or hand the array to the Python interface"
    )


def _first(value: Any) -> int:
    return int(value[0] if isinstance(value, tuple) else value)
