"""Which normal images are left out of the training and set the threshold."""

from __future__ import annotations

import torch


def held_out_block(count: int, share: float) -> torch.Tensor:
    """Which images do not train the networks: one run of neighbours in the middle, bool `(count,)`.

    Neighbours often resemble each other (frames of a film, overlapping crops): a run of them leaves fewer
    near-copies of held-out images in the training than a random choice does.
    """
    size = max(1, round(share * count))
    start = (count - size) // 2
    held_out = torch.zeros(count, dtype=torch.bool)
    held_out[start : start + size] = True
    return held_out
