"""Setting a threshold anew: what that came to, and choosing it from labelled images where there are any."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from utad.data.ground_truth import is_anomalous
from utad.errors import ConfigError, DataError, checked
from utad.progress import tracked
from utad.thresholds import check_enough
from utad.types import Outcome, Sample

Scoring = Callable[[Sequence[Sample]], Iterable[Outcome]]
"""`predict_samples` of a detector."""


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
