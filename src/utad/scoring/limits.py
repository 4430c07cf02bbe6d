"""Limits: the value that a chosen rate of normal images exceeds, from the scores of some of them. Without torch."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_TAIL = 0.2


def upper_limit(values: NDArray[np.float64], rate: float) -> float:
    """The value that `rate` of further draws are expected to exceed.

    With n values, the k-th smallest with k = ceil((n + 1)(1 - rate)) is exceeded by at most `rate` of
    exchangeable draws (split conformal prediction, Vovk et al., 2005). Where k > n there are too few values for
    that rate; an exponential tail, fitted to the upper fifth, goes beyond the largest (peaks over threshold).
    The larger of the two is taken where both exist.

    Args:
        values: `(n,)`, at least one, finite.
        rate: in (0, 1).

    Returns:
        A limit on the scale of the values, which a lower rate never lowers.
    """
    ordered = np.sort(values)
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
