"""Choosing thresholds: from rates of normal images, or from labelled images where there are any."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from utad.errors import ConfigError, DataError, checked
from utad.scoring.limits import upper_limit
from utad.types import Outcome, Sample

Scoring = Callable[[Sequence[Sample]], Iterable[Outcome]]
"""`predict_samples` of a detector."""


@dataclass(frozen=True)
class Recalibration:
    """What a threshold was set to, and on what.

    Attributes:
        threshold: on the normalised score.
        basis: what it rests on, in words.
        n_images: number of images used.
    """

    threshold: float
    basis: str
    n_images: int

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {"threshold": self.threshold, "basis": self.basis, "n_images": self.n_images}


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
        ConfigError: if a rate is not in (0, 1), or the second is above the first.
        DataError: if there are no scores.
    """
    for name, rate in (("fpr", fpr), ("fail_fpr", fail_fpr)):
        if rate is not None and not 0.0 < rate < 1.0:
            raise ConfigError(
                f"got {name} {rate:g}, expected a rate of normal images above 0 and below 1, such as 0.01"
            )
    if fpr is not None and fail_fpr is not None and fail_fpr > fpr:
        raise ConfigError(f"got fail_fpr {fail_fpr:g} above fpr {fpr:g}: fewer images fail than are called anomalous")
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


def recalibrate_labelled(predict_samples: Scoring, samples: Sequence[Sample], target: str) -> Recalibration:
    """The threshold that suits labelled images.

    Args:
        predict_samples: of the detector.
        samples: normal and anomalous images; those without a label are left out.
        target: `f1` or `recall=R`.

    Raises:
        DataError: unless both kinds are there.
        ImageReadError: naming a file that cannot be read.
    """
    labelled = [sample for sample in samples if sample.anomalous is not None]
    if not labelled:
        raise DataError("none of the images has a label: name the folders normal/ and abnormal/")
    scores = [checked(outcome).pred_score for _, outcome in predict_samples(labelled)]
    labels = np.array([bool(sample.anomalous) for sample in labelled])
    threshold = threshold_for(np.array(scores, dtype=np.float64), labels, target)
    basis = f"{target} on {int((~labels).sum())} normal and {int(labels.sum())} anomalous images"
    return Recalibration(threshold, basis, len(labelled))


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
