"""From what an engine computes of an image to what is said of it: label, band, mask and regions. Without torch."""

from __future__ import annotations

from dataclasses import dataclass

from utad.config import MaskConfig
from utad.scoring.regions import find_regions
from utad.scoring.segmentation import draw_mask
from utad.types import EngineResult, Prediction


@dataclass(frozen=True)
class Decision:
    """What is decided by.

    Attributes:
        threshold: on the normalised score.
        fail_threshold: that of the band `fail`; None for `threshold`, which counts where it is higher too.
        mask: how the map becomes the mask.
    """

    threshold: float
    fail_threshold: float | None
    mask: MaskConfig

    def of(self, result: EngineResult) -> Prediction:
        """What is said of one image."""
        anomalous = result.pred_score > self.threshold
        mask = draw_mask(result.anomaly_map, self.mask, anomalous=anomalous, inside=result.inside)
        fail = self.threshold if self.fail_threshold is None else max(self.threshold, self.fail_threshold)
        return Prediction(
            **vars(result),
            pred_label=anomalous,
            threshold=self.threshold,
            fail_threshold=fail,
            pred_mask=mask,
            regions=find_regions(mask, result.anomaly_map),
        )
