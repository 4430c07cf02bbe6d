"""Which of the normal images take part: those held out of a training, folds, and so many evenly from all."""

from __future__ import annotations

import torch

from utad.data.even_choice import even_indices

RUNS_PER_FOLD = 4


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


def fold_indices(count: int, folds: int) -> torch.Tensor:
    """The fold of each of `count` images, `(count,)` int64: short runs of neighbours take turns.

    Neighbours in time or space resemble each other: single images drawn at random would be measured by their
    twins, and a whole fifth left out at once may be the only one of its kind. Runs lie between the two.
    """
    folds = min(folds, count)
    runs = min(count, folds * RUNS_PER_FOLD)
    return (torch.arange(count) * runs // count) % folds


def evenly(count: int, limit: int) -> torch.Tensor:
    """At most `limit` of the indices below `count`, evenly from all of them, int64."""
    return torch.tensor(even_indices(count, limit), dtype=torch.int64)


def spread_over(count: int, wanted: int) -> torch.Tensor:
    """`wanted` of the indices below `count`, int64: evenly from all of them, or all in turn where there are fewer."""
    return torch.arange(wanted) % count if wanted > count else evenly(count, wanted)
