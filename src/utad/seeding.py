"""Randomness that depends on what is drawn for, not on what was drawn before.

Every random number of training comes from a generator seeded by (seed, purpose, step). An interrupted run
therefore goes on exactly where it stopped, with no generator state to save.
"""

from __future__ import annotations

import hashlib

import torch


def derived_seed(seed: int, purpose: str, index: int = 0) -> int:
    """A 63-bit seed that differs for every (seed, purpose, index)."""
    digest = hashlib.sha256(f"{seed}/{purpose}/{index}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def generator_for(seed: int, purpose: str, index: int = 0) -> torch.Generator:
    """A CPU generator for one purpose at one step."""
    return torch.Generator().manual_seed(derived_seed(seed, purpose, index))
