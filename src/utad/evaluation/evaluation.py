"""What a method comes to on the test images of one category."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from utad.errors import DataError
from utad.evaluation.curves import Curve, per_region_curve
from utad.evaluation.metrics import (
    ImageMetrics,
    PixelAccumulator,
    PixelMetrics,
    as_plain,
    image_metrics,
    recall_at,
)
from utad.types import Mask, Prediction

ORACLE_RATE = 0.01
"""The rate of normal test images above the oracle's threshold."""


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
        recall_oracle: the same above the value that `ORACLE_RATE` of these very normal images exceed; an upper bound
            for a threshold of that rate, no result. None unless both kinds are there.
        masked_normals: share of normal images whose mask is not empty; None without any.
        ms_per_image: from file or array to prediction, in milliseconds.
        n_defects_outside: images whose defects all lie outside the region of interest, which count as normal; None
            where the whole image counts.
        pro_curve: PRO over the rate of normal pixels, to be drawn; None where there are no pixel metrics.
    """

    n_normal: int
    n_anomalous: int
    image: ImageMetrics | None
    pixel: PixelMetrics | None
    false_positive_rate: float | None
    recall: float | None
    recall_oracle: float | None
    masked_normals: float | None
    ms_per_image: float
    n_defects_outside: int | None = None
    pro_curve: Curve | None = field(default=None, repr=False, compare=False)

    def as_dict(self) -> dict[str, Any]:
        """Plain values; what could not be measured is left out."""
        values = {
            "n_normal": self.n_normal,
            "n_anomalous": self.n_anomalous,
            "image": as_plain(self.image),
            "pixel": as_plain(self.pixel),
            "false_positive_rate": self.false_positive_rate,
            "recall": self.recall,
            "recall_oracle": self.recall_oracle,
            "masked_normals": self.masked_normals,
            "ms_per_image": round(self.ms_per_image, 3),
            "n_defects_outside": self.n_defects_outside,
        }
        return {name: value for name, value in values.items() if value is not None}


class EvaluationAccumulator:
    """The evaluation of a stream of predictions; of each image it keeps four numbers."""

    def __init__(self) -> None:
        # Score, label at the method's own threshold, whether there is a mask, truth.
        self._images: list[tuple[float, bool, bool, bool]] = []
        self._pixels: PixelAccumulator | None = PixelAccumulator()
        self._seconds = 0.0
        self._defects_outside: int | None = None

    def update(
        self,
        prediction: Prediction,
        *,
        anomalous: bool,
        gt_mask: Mask | None,
        seconds: float,
        defects_outside: bool = False,
    ) -> None:
        """Takes in one image.

        Args:
            prediction: what the method says of it; only pixels in its region of interest count.
            anomalous: the truth.
            gt_mask: `(H, W)`, all false for a normal image. None where there is no ground truth: there are no pixel
                metrics then, as those of some of the images would mislead.
            seconds: that the prediction took.
            defects_outside: it counts as normal since all of its defects lie outside the region of interest.

        Raises:
            DataError: if the sizes of map and masks differ or a value is not finite.
        """
        masked = bool(prediction.pred_mask.any())
        self._images.append((prediction.raw_score, prediction.pred_label, masked, anomalous))
        self._seconds += seconds
        if prediction.inside is not None:
            self._defects_outside = (self._defects_outside or 0) + defects_outside
        if gt_mask is None:
            self._pixels = None
        elif self._pixels is not None:
            self._pixels.update(prediction.anomaly_map, gt_mask, prediction.pred_mask, prediction.inside)

    def compute(self) -> Evaluation:
        """Metrics of all images so far.

        Raises:
            DataError: if there is none, or a score is not finite.
        """
        if not self._images:
            raise DataError("there are no test images to evaluate on")
        pixel = self._pixels.compute() if self._pixels is not None else None
        scores, called, masked, labels = (np.array(column) for column in zip(*self._images, strict=True))
        return Evaluation(
            n_normal=int((~labels).sum()),
            n_anomalous=int(labels.sum()),
            image=image_metrics(scores, labels),
            pixel=pixel,
            false_positive_rate=float(called[~labels].mean()) if not labels.all() else None,
            recall=float(called[labels].mean()) if labels.any() else None,
            recall_oracle=recall_at(scores, labels, ORACLE_RATE),
            masked_normals=float(masked[~labels].mean()) if not labels.all() else None,
            ms_per_image=1000 * self._seconds / len(labels),
            n_defects_outside=self._defects_outside,
            pro_curve=per_region_curve(self._pixels.curves()) if self._pixels is not None and pixel else None,
        )
