"""What a method comes to on the test images of one category."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from utad.errors import DataError
from utad.evaluation.metrics import ImageMetrics, PixelMetrics, as_plain, image_metrics, pixel_metrics
from utad.types import FloatMap, Mask


@dataclass(frozen=True)
class Outcome:
    """What a method says of one test image, beside the truth.

    Attributes:
        score: higher is more anomalous, unclipped.
        called_anomalous: the label at the method's own threshold.
        anomalous: the truth.
        anomaly_map: `(H, W)`; None for a method without maps.
        pred_mask: `(H, W)` at the method's own threshold; None without maps.
        gt_mask: `(H, W)`, all false for a normal image; None where there is no ground truth.
    """

    score: float
    called_anomalous: bool
    anomalous: bool
    anomaly_map: FloatMap | None = None
    pred_mask: Mask | None = None
    gt_mask: Mask | None = None


@dataclass(frozen=True)
class Evaluation:
    """Metrics of one category.

    Attributes:
        n_normal: normal test images.
        n_anomalous: anomalous ones.
        image: None unless both kinds are there.
        pixel: None where maps or masks are lacking.
        false_positive_rate: share of normal images above the method's threshold; None without any.
        recall: share of anomalous images above it; None without any.
        ms_per_image: from file or array to prediction, in milliseconds.
    """

    n_normal: int
    n_anomalous: int
    image: ImageMetrics | None
    pixel: PixelMetrics | None
    false_positive_rate: float | None
    recall: float | None
    ms_per_image: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values; what could not be measured is left out."""
        values = {
            "n_normal": self.n_normal,
            "n_anomalous": self.n_anomalous,
            "image": as_plain(self.image),
            "pixel": as_plain(self.pixel),
            "false_positive_rate": self.false_positive_rate,
            "recall": self.recall,
            "ms_per_image": round(self.ms_per_image, 3),
        }
        return {name: value for name, value in values.items() if value is not None}


def evaluate_outcomes(outcomes: Iterable[Outcome], *, seconds: float) -> Evaluation:
    """Metrics of the outcomes of one category; pixel metrics only if every image has a map and a ground truth.

    Args:
        outcomes: one a test image.
        seconds: that the predictions took.

    Raises:
        DataError: if there is none.
    """
    items = list(outcomes)
    if not items:
        raise DataError("there are no test images to evaluate on")
    labels = np.array([item.anomalous for item in items])
    called = np.array([item.called_anomalous for item in items])
    complete = [
        (item.anomaly_map, item.gt_mask, item.pred_mask)
        for item in items
        if item.anomaly_map is not None and item.gt_mask is not None and item.pred_mask is not None
    ]
    pixel = None
    if len(complete) == len(items):
        maps, masks, pred_masks = zip(*complete, strict=True)
        pixel = pixel_metrics(maps, masks, pred_masks)
    return Evaluation(
        n_normal=int((~labels).sum()),
        n_anomalous=int(labels.sum()),
        image=image_metrics(np.array([item.score for item in items]), labels),
        pixel=pixel,
        false_positive_rate=float(called[~labels].mean()) if not labels.all() else None,
        recall=float(called[labels].mean()) if labels.any() else None,
        ms_per_image=1000 * seconds / len(items),
    )
