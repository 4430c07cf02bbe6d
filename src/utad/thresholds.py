"""Choosing thresholds from rates of normal images, and what is said of one that may mislead."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from utad.errors import ConfigError, DataError
from utad.scoring.limits import upper_limit

_log = logging.getLogger(__name__)

LEAST_IMAGES = 10
"""Fewer say next to nothing about a threshold."""

_MANY = 0.2
"""Part of the normal images above a threshold from which on that is said."""

FEW_IMAGES = 20
"""Up to this many training images, what the threshold is worth is said."""


@dataclass(frozen=True)
class PastCalibration:
    """What a calibration replaced, and `undo` brings back.

    Attributes:
        threshold: on the normalised score.
        fail_threshold: that of the band `fail`.
        image: location and limit of the normalisation of image scores; None where it was not changed.
        normal: raw scores of the normal images that these came from.
    """

    threshold: float
    fail_threshold: float | None = None
    image: tuple[float, float] | None = None
    normal: tuple[float, ...] = ()


def past_calibrations(stored: Iterable[Mapping[str, Any]]) -> tuple[PastCalibration, ...]:
    """From the plain values in a manifest."""
    return tuple(
        PastCalibration(
            float(one["threshold"]),
            one["fail_threshold"],
            None if one["image"] is None else (one["image"][0], one["image"][1]),
            tuple(one["normal"]),
        )
        for one in stored
    )


def check_enough(count: int, *, force: bool) -> None:
    """Refuses to set a threshold from a handful of images.

    Raises:
        DataError: for fewer than `LEAST_IMAGES`, unless `force` is set.
    """
    if count < LEAST_IMAGES and not force:
        raise DataError(
            f"got {count} image{'' if count == 1 else 's'} to set the threshold from, expected at least "
            f"{LEAST_IMAGES}: with fewer it is a guess. Take more, or insist (--force, force=True)"
        )


def warn_if_few(count: int, rate: float) -> None:
    """Says what a threshold is worth that comes from a few training images.

    Args:
        count: of the training images.
        rate: of normal images that the threshold promises to leave above it.
    """
    if count <= FEW_IMAGES:
        _log.warning(
            "training on %d images: the threshold is a guess that about one normal image in %d may exceed; with %d or "
            "more it means what it says (utad calibrate --normal sets it anew)",
            *(count, count + 1, round(1 / rate)),
        )


def check_rate(fpr: float, name: str = "fpr") -> float:
    """The rate itself, which an error calls `name`.

    Raises:
        ConfigError: if it is no share of normal images that a threshold can leave above it.
    """
    if not 0.0 < fpr < 0.5:  # false for NaN too
        raise ConfigError(
            f"got {name} {fpr:g}, expected a share of normal images above 0 and below 0.5, such as 0.01: at 0.5 the "
            "typical normal image would be anomalous"
        )
    return fpr


def check_order(fpr: float | None, fail_fpr: float | None) -> None:
    """Refuses a rate of the band `fail` above that of all images called anomalous; None is not asked for.

    Raises:
        ConfigError: naming both.
    """
    if fpr is not None and fail_fpr is not None and fail_fpr > fpr:
        raise ConfigError(f"got fail_fpr {fail_fpr:g} above fpr {fpr:g}: fewer images fail than are called anomalous")


def check_threshold(threshold: float) -> float:
    """The threshold itself.

    Raises:
        ConfigError: if it is not a finite number.
    """
    if not math.isfinite(threshold):
        raise ConfigError(f"got a threshold of {threshold}, expected a finite number on the normalised score, as 0.5")
    return float(threshold)


def warn_if_low(threshold: float, normal_scores: Sequence[float]) -> None:
    """Says so where a threshold is below the scores of many normal images.

    Args:
        threshold: on the normalised score.
        normal_scores: normalised scores of normal images, `(N,)`.
    """
    above = sum(score > threshold for score in normal_scores)
    if above > _MANY * len(normal_scores):
        _log.warning(
            "%d of the %d normal images of this model's calibration score above the threshold %g: many normal images "
            "will be called anomalous (0 is a typical normal image)",
            *(above, len(normal_scores), threshold),
        )


def warn_if_no_review(threshold: float, fail_threshold: float | None) -> None:
    """Says so where the threshold of failing was asked for and lies below the other, so that no image is for review."""
    if fail_threshold is not None and fail_threshold < threshold:
        _log.warning(
            "the rate of failing stands for a score of %.3f, below the threshold %.3f: every anomalous image fails, "
            "and none is for review",
            *(fail_threshold, threshold),
        )


@dataclass(frozen=True)
class Thresholds:
    """On the normalised score; None for one that was not asked for.

    Attributes:
        threshold: above it an image is anomalous.
        fail: above it an anomalous image is in the band `fail`, not in `review`.
    """

    threshold: float | None
    fail: float | None


def thresholds_at(
    normal_scores: Sequence[float], *, fpr: float | None = None, fail_fpr: float | None = None
) -> Thresholds:
    """The thresholds that given rates of normal images exceed.

    Args:
        normal_scores: normalised scores of normal images, `(N,)`.
        fpr: the rate of the first; None if it is not asked for.
        fail_fpr: the rate of the second, at most `fpr`.

    Raises:
        ConfigError: if a rate is not above 0 and below 0.5, or the second is above the first.
        DataError: if there are no scores.
    """
    for name, rate in (("fpr", fpr), ("fail_fpr", fail_fpr)):
        if rate is not None:
            check_rate(rate, name)
    check_order(fpr, fail_fpr)
    if not normal_scores and (fpr is not None or fail_fpr is not None):
        raise DataError(
            "the model does not hold the scores of its normal images, which thresholds are read off: it is of an "
            "earlier version; utad calibrate --normal DIR adds them"
        )
    values = np.asarray(normal_scores, dtype=np.float64)
    found = [None if rate is None else upper_limit(values, rate) for rate in (fpr, fail_fpr)]
    return Thresholds(*found)
