"""From the tensors of a batch to predictions at each image's own size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from torch import Tensor

from utad.data.tensors import to_uint8
from utad.scoring.network import Detection
from utad.scoring.perceptual import upsample
from utad.scoring.segmentation import segment
from utad.types import FloatMap, Prediction


class TermMaps(Mapping[str, FloatMap]):
    """Each term's own map by name, brought to the image's size when it is asked for.

    Args:
        maps: by name, `(S, S)`.
        size: `(H, W)` of the image.
    """

    def __init__(self, maps: Mapping[str, Tensor], size: tuple[int, int]) -> None:
        # Copies: what is a view of a batch keeps the whole batch in memory.
        self._maps = {name: values.float().clone() for name, values in maps.items()}
        self._size = size

    def __getitem__(self, name: str) -> FloatMap:
        found: FloatMap = upsample(self._maps[name][None], self._size)[0].numpy()
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._maps)

    def __len__(self) -> int:
        return len(self._maps)


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
                term_maps=TermMaps({name: maps[index] for name, maps in detection.term_maps.items()}, size),
            )
        )
    return predictions
