"""From raw to normalised scores, and the threshold, fitted on normal images alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from utad.errors import InputError

_TAIL = 0.2


@dataclass(frozen=True)
class Normalisation:
    """normalised = 0.5 * (raw - location) / (limit - location): monotone, not clipped.

    Attributes:
        location: the raw value of a typical normal image (pixel), 0 when normalised.
        limit: the raw value that the chosen rate of normal images (pixels) exceeds, 0.5 when normalised.
    """

    location: float
    limit: float

    def apply(self, raw: Tensor) -> Tensor:
        """Raw scores of any shape to normalised ones."""
        return 0.5 * (raw - self.location) / (self.limit - self.location)


def fit_normalisation(raw: Tensor, rate: float) -> Normalisation:
    """Fits to the raw scores of normal images that the detector did not learn from.

    Args:
        raw: `(N,)`, finite.
        rate: of normal scores above the limit, in (0, 1).

    Raises:
        InputError: if there are no scores or some are not finite.
    """
    if raw.numel() == 0 or not bool(torch.isfinite(raw).all()):
        raise InputError(f"expected at least one finite normal score, got {raw.numel()}, not all of them finite")
    values = raw.detach().double().flatten()
    location = float(values.median())
    limit = upper_limit(values, rate)
    # Identical scores leave no spread to normalise by; the smallest step above them is a threshold still.
    spread = max(limit - location, 1e-6 * max(1.0, abs(location)))
    return Normalisation(location, location + spread)


def upper_limit(values: Tensor, rate: float) -> float:
    """The value that `rate` of further draws are expected to exceed.

    With n values, the k-th smallest with k = ceil((n + 1)(1 - rate)) is exceeded by at most `rate` of
    exchangeable draws (split conformal prediction, Vovk et al., 2005). Where k > n there are too few values for
    that rate; an exponential tail, fitted to the upper fifth, goes beyond the largest (peaks over threshold).
    The larger of the two is taken where both exist.

    Args:
        values: `(n,)` float64.
        rate: in (0, 1).
    """
    ordered = values.sort().values
    count = len(ordered)
    rank = math.ceil((count + 1) * (1.0 - rate))
    conformal = float(ordered[rank - 1]) if rank <= count else -math.inf
    tail = max(2, math.ceil(_TAIL * count))
    if count < 2 or rate >= tail / count:
        return max(conformal, float(ordered[min(rank, count) - 1]))
    base = float(ordered[-tail])
    mean_excess = float((ordered[-tail:] - base).mean()) * tail / (tail - 1)
    exponential = base + mean_excess * math.log(tail / count / rate)
    return max(conformal, exponential)
