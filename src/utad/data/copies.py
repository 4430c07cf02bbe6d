"""Finding training images that are copies of each other: they teach nothing, and make every other image look odd."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812 - the name everyone gives it
from torch import Tensor

from utad.errors import TrainingError

_log = logging.getLogger(__name__)

SIDE = 32
LIKENESS = 0.015
"""Two images are copies if they differ by at most this, relative to the spread of their own pixels, at `SIDE` pixels a
side: between what JPEG of quality 95 does to a photograph and the closest two of MVTec AD's bottles, all in one place
before one background (docs/experiments/copies.md). What was encoded coarsely again may pass for another image."""

_LEAST_DIFFERENT = 4
_LEAST_SHARE = 0.1
_SHOWN = 5
_ROWS = 256
_ROUNDING = 1e-4
"""Of the products behind a distance; one value that differs by one level of 8 bits makes 4e-3."""


def check_copies(images: Tensor, names: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """Warns of copies among the training images, and stops where there is next to nothing else.

    Args:
        images: `(N, C, S, S)` in [0, 1].
        names: N names of them.

    Returns:
        The index of each copy, with that of the image that it is a copy of.

    Raises:
        TrainingError: if fewer than 4 images, or than a tenth of them, differ from all others.
    """
    first = first_alike(images)
    copies = tuple((index, other) for index, other in enumerate(first.tolist()) if other != index)
    if not copies:
        return ()
    different = len(names) - len(copies)
    shown = ", ".join(f"{names[copy]} of {names[original]}" for copy, original in copies[:_SHOWN])
    more = f" and {len(copies) - _SHOWN} more" if len(copies) > _SHOWN else ""
    if different < max(_LEAST_DIFFERENT, _LEAST_SHARE * len(names)):
        raise TrainingError(
            f"of {len(names)} training images only {different} differ, the others are copies ({shown}{more}): every "
            "new image would look anomalous. Take photographs of different parts, or of one part placed anew each time"
        )
    _log.warning(
        "%d of %d training images are copies of others, and teach nothing: %s%s", len(copies), len(names), shown, more
    )
    return copies


def first_alike(images: Tensor) -> Tensor:
    """For each image the index of the first that it is a copy of, which is its own where there is none, `(N,)` int64.

    Args:
        images: `(N, C, S, S)`.
    """
    small, spread = reduced(images)
    found = []
    for start in range(0, len(small), _ROWS):
        distance = distances(small[start : start + _ROWS], small)
        # Each is a copy of itself, so there is always a first one.
        found.append((distance <= LIKENESS * spread[start : start + _ROWS, None] + _ROUNDING).int().argmax(dim=1))
    return torch.cat(found)


def reduced(images: Tensor) -> tuple[Tensor, Tensor]:
    """What copies are told by.

    Args:
        images: `(N, C, S, S)`.

    Returns:
        Images at `SIDE` pixels a side less the mean of all, `(N, K)` float64; and of each the norm of its own deviation
        from its mean level, `(N,)`.
    """
    small = F.adaptive_avg_pool2d(images, min(SIDE, images.shape[-1])).flatten(1).double()  # (N, C * SIDE^2)
    spread = (small - small.mean(dim=1, keepdim=True)).norm(dim=1)
    return small - small.mean(dim=0), spread  # smaller numbers, whose products are exact enough


def distances(some: Tensor, others: Tensor) -> Tensor:
    """Of `(M, K)` and `(N, K)` as `reduced` gives them, `(M, N)`; by products, fast for thousands of images."""
    found: Tensor = torch.cdist(some, others, compute_mode="use_mm_for_euclid_dist")
    return found
