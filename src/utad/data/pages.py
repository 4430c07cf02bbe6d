"""Counting what is never read: the pages of an image file after its first."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from utad.data.reading import count_pages
from utad.errors import ImageReadError

_PAGED = (".tif", ".tiff", ".webp")


def later_pages(paths: Iterable[Path]) -> tuple[str, ...]:
    """One line with the number of pages after the first in TIFF and WebP files; nothing where there are none.

    A file that cannot be read is told of where its image is read, and counts for nothing here.
    """
    counts = [_pages(path) - 1 for path in paths if path.suffix.lower() in _PAGED]
    several = [count for count in counts if count > 0]
    return (
        (f"{sum(several)} pages after the first of {len(several)} files, of which the first is read",)
        if several
        else ()
    )


def _pages(path: Path) -> int:
    try:
        return count_pages(path)
    except ImageReadError:
        return 1
