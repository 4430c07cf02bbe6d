"""The metrics of detection and segmentation, on raw scores, none of them depending on the order of images.

scikit-learn sorts the scores and sums the curves; areas, F1 and IoU are read off one curve.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import auc, roc_curve

from utad.errors import DataError
from utad.evaluation.aupro import per_region_overlap
from utad.types import FloatMap, Mask


@dataclass(frozen=True)
class ImageMetrics:
    """How well normal and anomalous images are told apart.

    Attributes:
        auroc: area under the ROC curve.
        aupr: average precision.
        f1_max: F1 at the best threshold.
    """

    auroc: float
    aupr: float
    f1_max: float


@dataclass(frozen=True)
class PixelMetrics:
    """How well the map finds the anomalous pixels.

    Attributes:
        auroc: area under the ROC curve of all pixels.
        aupr: average precision of all pixels.
        aupro: per-region overlap, integrated up to a false-positive rate of 0.3, in [0, 1].
        f1_max: F1 at the best threshold.
        iou: intersection over union of the masks that the detector gives (Eq. 9).
        iou_oracle: the same at the threshold that is best on these very images; an upper bound, no result.
    """

    auroc: float
    aupr: float
    aupro: float
    f1_max: float
    iou: float
    iou_oracle: float


@dataclass(frozen=True)
class _Curve:
    """Counts at every distinct score, from the highest down, starting with nothing called anomalous."""

    found: NDArray[np.float64]
    false: NDArray[np.float64]
    positives: float
    negatives: float

    def auroc(self) -> float:
        return float(auc(self.false / self.negatives, self.found / self.positives))

    def aupr(self) -> float:
        precision = self.found[1:] / (self.found[1:] + self.false[1:])
        return float((np.diff(self.found) * precision).sum() / self.positives)

    def f1_max(self) -> float:
        return float((2 * self.found / (self.found + self.false + self.positives)).max())

    def iou_max(self) -> float:
        return float((self.found / (self.positives + self.false)).max())


def image_metrics(scores: NDArray[np.float64], labels: NDArray[np.bool_]) -> ImageMetrics | None:
    """Metrics of image scores.

    Args:
        scores: `(N,)`, higher is more anomalous, any scale.
        labels: `(N,)`, true when anomalous.

    Returns:
        None unless both kinds of images are there.

    Raises:
        DataError: if a score is not finite.
    """
    if not labels.any() or labels.all():
        return None
    curve = _curve(scores, labels)
    return ImageMetrics(auroc=curve.auroc(), aupr=curve.aupr(), f1_max=curve.f1_max())


def pixel_metrics(
    maps: Sequence[FloatMap], masks: Sequence[Mask], pred_masks: Sequence[Mask], *, max_fpr: float = 0.3
) -> PixelMetrics | None:
    """Metrics of anomaly maps.

    Args:
        maps: one `(H, W)` an image, higher is more anomalous, any scale that all images share.
        masks: the ground truth, of the same sizes; all false for a normal image.
        pred_masks: the detector's own masks, of the same sizes.
        max_fpr: false-positive rate up to which AUPRO is integrated.

    Returns:
        None unless there are normal and anomalous pixels.

    Raises:
        DataError: if sizes differ or a value is not finite.
    """
    for index, (anomaly_map, mask, pred_mask) in enumerate(zip(maps, masks, pred_masks, strict=True)):
        if not anomaly_map.shape == mask.shape == pred_mask.shape:
            raise DataError(
                f"image {index}: map {anomaly_map.shape}, ground truth {mask.shape} and mask {pred_mask.shape} "
                "must be of one size"
            )
    labels = np.concatenate([mask.ravel() for mask in masks]) if masks else np.zeros(0, dtype=np.bool_)
    if not labels.any() or labels.all():
        return None
    scores = np.concatenate([anomaly_map.ravel() for anomaly_map in maps])
    called = np.concatenate([pred_mask.ravel() for pred_mask in pred_masks])
    curve = _curve(scores, labels)
    union = int((called | labels).sum())
    return PixelMetrics(
        auroc=curve.auroc(),
        aupr=curve.aupr(),
        aupro=per_region_overlap(scores, masks, max_fpr=max_fpr),
        f1_max=curve.f1_max(),
        iou=int((called & labels).sum()) / union,
        iou_oracle=curve.iou_max(),
    )


def as_plain(metrics: ImageMetrics | PixelMetrics | None) -> dict[str, Any] | None:
    """Plain values for JSON; None stays None, so that what is lacking is absent and not zero."""
    return None if metrics is None else asdict(metrics)


def _curve(scores: NDArray[np.floating[Any]], labels: NDArray[np.bool_]) -> _Curve:
    if not np.isfinite(scores).all():
        raise DataError("scores must be finite to be evaluated")
    false_rate, found_rate, _ = roc_curve(labels, scores, drop_intermediate=False)
    positives, negatives = float(labels.sum()), float((~labels).sum())
    return _Curve(found_rate * positives, false_rate * negatives, positives, negatives)
