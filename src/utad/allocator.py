"""How the C library's allocator treats the large buffers of the networks."""

from __future__ import annotations

import ctypes
import sys
from functools import cache

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGEST_REUSED = 2**25
_KEPT = 2**28


@cache
def keep_buffers() -> bool:
    """Has glibc reuse buffers of up to 32 MB, and keep up to 256 MB of freed memory, for the rest of the process.

    By itself it maps the largest buffers anew at every call and has the system fill them with zeros, which took a
    fifth of a training step and of scoring (docs/adr/0009). Elsewhere than on glibc nothing happens.

    Returns:
        Whether that was possible.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _LARGEST_REUSED)) and bool(mallopt(_M_TRIM_THRESHOLD, _KEPT))
