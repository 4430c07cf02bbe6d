"""Counting what is never read: the pages of an image file after its first."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import PIL.Image

from utad.data.pillow_warnings import quiet_pillow
from utad.data.reading import ACCEPTED_FORMATS

_PAGED = (".tif", ".tiff", ".webp")


def later_pages(paths: Iterable[Path]) -> tuple[str, ...]:
    """One line with the number of pages after the first in TIFF and WebP files; nothing where there are none."""
    counts = [_pages(path) - 1 for path in paths if path.suffix.lower() in _PAGED]
    several = [count for count in counts if count > 0]
    return (
        (f"{sum(several)} pages after the first of {len(several)} files, of which the first is read",)
        if several
        else ()
    )


def _pages(path: Path) -> int:
    try:
        with quiet_pillow(), PIL.Image.open(path, formats=ACCEPTED_FORMATS) as image:
            return int(getattr(image, "n_frames", 1))
    except Exception:
        # Damage is told where the image is read; here it only cannot be counted.
        return 1
