"""Silence for Pillow's warnings while an image is read, in any number of threads."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_readers = 0


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Drops the warnings that Pillow's own modules raise inside the block, and no others.

    A file with odd metadata either can be read, and then a warning about it helps nobody, or it cannot, and
    then there is an error. `warnings.catch_warnings` replaces the whole filter list and puts an old one back,
    which goes wrong when threads overlap; here one filter is added by the first reader and taken away by the
    last.
    """
    global _readers
    with _lock:
        _readers += 1
        if _filter_index() is None:
            warnings.filterwarnings("ignore", module=_PILLOW_MODULES)
    try:
        yield
    finally:
        with _lock:
            _readers -= 1
            index = _filter_index()
            if _readers == 0 and index is not None:
                del warnings.filters[index]  # type: ignore[attr-defined]


# The empty comment sets this filter apart from one that the caller may have installed.
_PILLOW_MODULES = r"PIL(\.|$)(?#utad)"


def _filter_index() -> int | None:
    for index, entry in enumerate(warnings.filters):
        if getattr(entry[3], "pattern", None) == _PILLOW_MODULES:
            return index
    return None
