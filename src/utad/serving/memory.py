"""Memory that is free, given back to the system while a server runs."""

from __future__ import annotations

import ctypes
import sys


def release_memory() -> None:
    """Gives back the pages that the C library keeps between what is in use; does nothing where it is not glibc.

    glibc by itself gives back only what lies above everything that is in use, so that a process through which bodies of
    all sizes pass grows for days.
    """
    if sys.platform != "linux":
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
