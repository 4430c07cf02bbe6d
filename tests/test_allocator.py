from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource
import torch
from utad.allocator import keep_buffers

if {kept}:
    assert keep_buffers()
for _ in range(3):
    buffers = [torch.ones(2**20) for _ in range(30)]
    del buffers
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    buffers = [torch.ones(2**20) for _ in range(30)]
    del buffers
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


# By itself glibc raises its threshold as buffers are freed, and what it keeps then depends on how the heap lies.
AS_AT_THE_START = "glibc.malloc.mmap_threshold=131072"


def page_faults(*, kept: bool) -> int:
    """Of filling 120 MB ten times after they were freed, in pieces of 4 MB."""
    done = subprocess.run(
        [sys.executable, "-c", FAULTS.format(kept=kept)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"GLIBC_TUNABLES": AS_AT_THE_START},
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators have no such thresholds")
def test_freed_buffers_are_not_fetched_from_the_system_again():
    # At least one page a buffer, or, where the system gives huge ones, one for every 2 MB.
    assert page_faults(kept=False) >= 10 * 30
    assert page_faults(kept=True) < 10
