from __future__ import annotations

import ctypes
import re
import sys
from pathlib import Path

import pytest

from utad.serving.memory import release_memory


def resident() -> int:
    """KB of this process."""
    (found,) = re.findall(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found)


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="no glibc on this machine"
)
def test_what_is_free_between_what_is_in_use_is_given_back():
    # Larger than what Python keeps pools of, smaller than what the C library maps by itself.
    blocks = [bytes(3000) for _ in range(20_000)]
    kept = blocks[::50]
    held = resident()
    del blocks
    release_memory()
    assert held - resident() > 30_000
    assert len(kept) == 400
