"""Choosing thresholds: from rates of normal images, or from labelled images where there are any."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from utad.data.ground_truth import is_anomalous
from utad.errors import ConfigError, DataError, checked
from utad.progress import tracked
from utad.scoring.limits import upper_limit
from utad.types import Outcome, Sample

Scoring = Callable[[Sequence[Sample]], Iterable[Outcome]]
"""`predict_samples` of a detector."""

_log = logging.getLogger(__name__)

LEAST_IMAGES = 10
"""Fewer say next to nothing about a threshold."""

_MANY = 0.2
"""Part of the normal images above a threshold from which on that is said."""

FEW_IMAGES = 20
"""Up to this many training images, what the threshold is worth is said."""


@dataclass(frozen=True)
class Flagged:
    """How many images of a kind lie above a threshold, before and after it was set anew."""

    kind: str
    n_images: int
    before: int
    after: int


@dataclass(frozen=True)
class Recalibration:
    """What a threshold was set to, and on what.

    Attributes:
        threshold: on the normalised score.
        basis: what it rests on, in words.
        n_images: number of images used.
        flagged: what it does to these images, by their kind.
    """

    threshold: float
    basis: str
    n_images: int
    flagged: tuple[Flagged, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


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


def parse_target(target: str) -> float | None:
    """None for `f1`, the recall for `recall=0.95`.

    Raises:
        ConfigError: for anything else.
    """
    if target == "f1":
        return None
    name, _, value = target.partition("=")
    try:
        recall = float(value)
    except ValueError:
        recall = -1.0
    if name != "recall" or not 0.0 < recall <= 1.0:
        raise ConfigError(f"got target {target!r}, expected f1 or recall=R with R above 0 and at most 1")
    return recall


def recalibrate_labelled(
    predict_samples: Scoring, samples: Sequence[Sample], target: str, *, force: bool = False, progress: bool = False
) -> Recalibration:
    """The threshold that suits labelled images.

    Args:
        predict_samples: of the detector.
        samples: normal and anomalous images; those without a label are left out. One whose defects all lie outside the
            model's region of interest, by its mask, counts as normal.
        target: `f1` or `recall=R`.
        force: fewer than `LEAST_IMAGES` will do.
        progress: show a bar, instead of lines in the log.

    Raises:
        DataError: unless both kinds are there, and enough of them.
        ImageReadError: naming a file that cannot be read.
    """
    labelled = [sample for sample in samples if sample.anomalous is not None]
    if not labelled:
        raise DataError("none of the images has a label: name a folder that holds normal/ and abnormal/")
    check_enough(len(labelled), force=force)
    scored = tracked(predict_samples(labelled), len(labelled), "scoring", bar=progress)
    predictions = [checked(outcome) for _, outcome in scored]
    pairs = zip(labelled, predictions, strict=True)
    labels = np.array([is_anomalous(sample, prediction.inside) for sample, prediction in pairs])
    scores = np.array([prediction.pred_score for prediction in predictions], dtype=np.float64)
    called = np.array([prediction.pred_label for prediction in predictions])
    threshold = threshold_for(scores, labels, target)
    basis = f"{target} on {int((~labels).sum())} normal and {int(labels.sum())} anomalous images"
    flagged = tuple(
        Flagged(kind, int(chosen.sum()), int(called[chosen].sum()), int((scores[chosen] > threshold).sum()))
        for kind, chosen in (("normal", ~labels), ("anomalous", labels))
    )
    return Recalibration(threshold, basis, len(labelled), flagged)


def threshold_for(scores: NDArray[np.float64], labels: NDArray[np.bool_], target: str) -> float:
    """The threshold for best F1, or the highest that reaches a recall.

    The value lies half-way between the last score that is called anomalous and the next one below.

    Args:
        scores: `(N,)`, higher is more anomalous.
        labels: `(N,)`, true when anomalous.
        target: `f1` or `recall=R`.

    Raises:
        ConfigError: if the target is not understood.
        DataError: unless both kinds of images are there.
    """
    recall = parse_target(target)
    if not labels.any() or labels.all():
        raise DataError(
            f"a threshold from labels needs normal and anomalous images, got {int((~labels).sum())} and "
            f"{int(labels.sum())}"
        )
    values = np.unique(scores)[::-1]  # candidates: everything >= value is anomalous
    found = np.array([(scores[labels] >= value).sum() for value in values], dtype=np.float64)
    called = np.array([(scores >= value).sum() for value in values], dtype=np.float64)
    positives = float(labels.sum())
    if recall is None:
        best = int(np.argmax(2 * found / (called + positives)))
    else:
        best = int(np.argmax(found / positives >= recall - 1e-12))
    below = values[best + 1] if best + 1 < len(values) else values[best] - 1.0
    return float((values[best] + below) / 2)
