"""The metrics of detection and segmentation, on raw scores, none of them depending on the order of images.

Images are few and go to scikit-learn as they are. Pixels are counted by value, image by image, and the curves are
read off the counts, so that memory is bounded.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import auc, average_precision_score, roc_auc_score, roc_curve

from utad.errors import DataError
from utad.evaluation.aupro import per_region_overlap, region_weights
from utad.types import FloatMap, Mask

_KEPT_BITS = 23
"""Of a float32: 2^23 bins, three counts of 8 bytes each."""


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
    _check_finite(scores)
    false_rate, recall, _ = roc_curve(labels, scores, drop_intermediate=False)
    return ImageMetrics(
        auroc=float(roc_auc_score(labels, scores)),
        aupr=float(average_precision_score(labels, scores)),
        f1_max=_f1_max(false_rate * (~labels).sum(), recall * labels.sum()),
    )


def recall_at(scores: NDArray[np.float64], labels: NDArray[np.bool_], rate: float) -> float | None:
    """Share of anomalous images above the lowest threshold that at most `rate` of the normal ones exceed.

    Args:
        scores: `(N,)`, higher is more anomalous, any scale.
        labels: `(N,)`, true when anomalous.
        rate: of normal images, in (0, 1).

    Returns:
        None unless both kinds of images are there.
    """
    if not labels.any() or labels.all():
        return None
    normal = np.sort(scores[~labels])
    allowed = int(rate * len(normal))
    return float((scores[labels] > normal[len(normal) - 1 - allowed]).mean())


def pixel_metrics(curves: NDArray[np.float64], *, iou: float) -> PixelMetrics:
    """Metrics of pixels that are called anomalous at falling thresholds.

    Args:
        curves: `(3, T)` from none to all: normal pixels, anomalous pixels, and the sum of the latter's
            `region_weights`. There must be pixels of both kinds.
        iou: of the detector's own masks.
    """
    false, found, overlap = curves
    false_rate = false / false[-1]
    return PixelMetrics(
        auroc=float(auc(false_rate, found / found[-1])),
        aupr=float((np.diff(found) * found[1:] / (found[1:] + false[1:])).sum() / found[-1]),
        aupro=per_region_overlap(false_rate, overlap / overlap[-1]),
        f1_max=_f1_max(false, found),
        iou=iou,
        iou_oracle=float((found / (found[-1] + false)).max()),
    )


class PixelAccumulator:
    """Pixel metrics of a stream of images, in memory that does not grow with their number: 0.5 GB at most.

    Pixels are counted by the upper `_KEPT_BITS` bits of their float32 pattern: sign, exponent and 14 bits of the
    mantissa. Values in one bin differ by at most 2^-14 of themselves and count as ties. The curves are exact at the
    borders of bins, and AUROC deviates by at most half the sum over bins of (share of normal pixels) x (share of
    anomalous pixels). Normalised maps spread over many bins around 0; values in a range that is narrow beside their
    distance from 0 share a few. All sums are of integers: any order of the images gives the same metrics, bit for bit.
    """

    def __init__(self) -> None:
        self._n_images = self._intersection = self._union = 0
        # In the rows of `pixel_metrics`, by bin.
        self._counts = np.zeros((3, 1 << _KEPT_BITS), dtype=np.int64)

    def update(self, anomaly_map: FloatMap, gt_mask: Mask, pred_mask: Mask, inside: Mask | None = None) -> None:
        """Counts the pixels of one image.

        Args:
            anomaly_map: `(H, W)` float32, higher is more anomalous, any scale that all images share.
            gt_mask: the ground truth `(H, W)`; all false for a normal image.
            pred_mask: the detector's own mask `(H, W)`.
            inside: `(H, W)`, the pixels that count; None for all.

        Raises:
            DataError: if sizes differ or a value is not finite.
        """
        if not anomaly_map.shape == gt_mask.shape == pred_mask.shape:
            raise DataError(
                f"image {self._n_images}: map {anomaly_map.shape}, ground truth {gt_mask.shape} and mask "
                f"{pred_mask.shape} must be of one size"
            )
        values = np.asarray(anomaly_map, dtype=np.float32)
        _check_finite(values)
        normal = ~gt_mask
        if inside is not None:
            normal, gt_mask, pred_mask = normal & inside, gt_mask & inside, pred_mask & inside
        self._n_images += 1
        self._intersection += int(np.count_nonzero(pred_mask & gt_mask))
        self._union += int(np.count_nonzero(pred_mask | gt_mask))
        np.add.at(self._counts[0], _bins(values[normal]), 1)
        if gt_mask.any():
            anomalous = _bins(values[gt_mask])
            np.add.at(self._counts[1], anomalous, 1)
            np.add.at(self._counts[2], anomalous, region_weights(gt_mask))

    def compute(self) -> PixelMetrics | None:
        """Metrics of all images so far; None unless there are normal and anomalous pixels."""
        curves = self.curves()
        if not curves[:2, -1].all():
            return None
        return pixel_metrics(curves, iou=self._intersection / self._union)

    def curves(self) -> NDArray[np.float64]:
        """What lies above each threshold, `(3, T)`, as `pixel_metrics` takes it; thresholds are borders of bins."""
        used = np.flatnonzero(self._counts[:2].any(axis=0))[::-1]  # from the highest value down
        curves = np.zeros((3, len(used) + 1))
        for curve, counts in zip(curves, self._counts, strict=True):
            np.cumsum(counts[used], dtype=np.float64, out=curve[1:])
        return curves


def as_plain(metrics: ImageMetrics | PixelMetrics | None) -> dict[str, Any] | None:
    """Plain values for JSON; None stays None, so that what is lacking is absent and not zero."""
    return None if metrics is None else asdict(metrics)


def _f1_max(false: NDArray[np.float64], found: NDArray[np.float64]) -> float:
    return float((2 * found / (found + false + found[-1])).max())


def _check_finite(values: NDArray[np.floating[Any]]) -> None:
    if not np.isfinite(values).all():
        raise DataError("scores must be finite to be evaluated")


def _bins(values: NDArray[np.float32]) -> NDArray[np.intp]:
    """The bin of each value `(P,)`, higher for higher values: IEEE 754 has the sign and the magnitude in that order."""
    bits = (values + np.float32(0)).view(np.uint32)  # -0.0 + 0.0 is 0.0: both zeros are one value
    ordered = np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))
    return (ordered >> (32 - _KEPT_BITS)).astype(np.intp)
