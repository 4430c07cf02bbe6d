"""The most unusual of the training images: a bad part among the good ones, or a good one of which there are too few."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from utad.fit_report import UnusualImage
from utad.scoring.limits import upper_limit

SHOWN = 5
"""Images that a report names."""

MOST = 0.05
"""Largest part of the images that can be outliers among them; more of a kind are a kind of their own."""

EXPECTED = 0.02
"""Images expected, among all that are as they should be, beyond the limit that makes an outlier."""

_log = logging.getLogger(__name__)


def unusual_images(names: Sequence[str], scores: NDArray[np.float64]) -> tuple[UnusualImage, ...]:
    """The images with the highest scores, the highest first: at least `SHOWN` of them, and all outliers. Names these.

    Args:
        names: of the N images.
        scores: normalised, `(N,)`, each by what was fitted without that image; NaN where it was not measured.
    """
    measured = np.flatnonzero(np.isfinite(scores))
    order = measured[np.argsort(-scores[measured], kind="stable")]
    outliers = count_outliers(scores[order])
    found = tuple(
        UnusualImage(names[index], float(scores[index]), outlier=rank < outliers)
        for rank, index in enumerate(order[: max(SHOWN, outliers)])
    )
    _warn([image for image in found if image.outlier])
    return found


def count_outliers(scores: NDArray[np.float64]) -> int:
    """How many of the highest scores lie above the limit that all lower ones lead to.

    A few outliers hide each other where all images set the limit; so every number of them is tried.

    Args:
        scores: `(N,)`, finite, descending.
    """
    count = len(scores)
    found = 0
    for tried in range(1, max(1, int(MOST * count)) + 1):
        others = scores[tried:]
        if len(others) > 1 and scores[tried - 1] > upper_limit(others, EXPECTED / count):
            found = tried
    return found


def _warn(outliers: Sequence[UnusualImage]) -> None:
    if not outliers:
        return
    shown = ", ".join(f"{image.name} ({image.score:.2f})" for image in outliers[:SHOWN])
    more = f" and {len(outliers) - SHOWN} more" if len(outliers) > SHOWN else ""
    _log.warning(
        "%d of the training images score far above the others, and the threshold makes room for them: %s%s. Look at "
        "them: train without those that are defective, and take more of good ones that look like this",
        *(len(outliers), shown, more),
    )
