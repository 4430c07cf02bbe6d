"""From the tensors of a batch to predictions at each image's own size."""

from __future__ import annotations

from collections.abc import Sequence

from utad.data.tensors import to_uint8
from utad.scoring.network import Detection
from utad.scoring.perceptual import upsample
from utad.scoring.segmentation import segment
from utad.types import Prediction


def to_prediction(detection: Detection, sizes: Sequence[tuple[int, int]], threshold: float) -> list[Prediction]:
    """One prediction an image.

    Args:
        detection: of N images.
        sizes: `(H, W)` of each image as it was read.
        threshold: on the normalised score.
    """
    predictions = []
    restoration = detection.restoration
    for index, size in enumerate(sizes):
        anomaly_map = upsample(detection.anomaly_map[index : index + 1].float(), size)[0]
        score = float(detection.score[index])
        predictions.append(
            Prediction(
                pred_score=score,
                pred_label=score > threshold,
                threshold=threshold,
                raw_score=float(detection.raw_score[index]),
                anomaly_map=anomaly_map.numpy(),
                pred_mask=segment(anomaly_map).numpy(),
                impression=to_uint8(restoration.impression[index], size),
                naive_impression=to_uint8(restoration.naive_impression[index], size),
                reconstruction=to_uint8(restoration.reconstruction[index], size),
                term_maps={
                    name: upsample(maps[index : index + 1].float(), size)[0].numpy()
                    for name, maps in detection.term_maps.items()
                },
            )
        )
    return predictions
