"""From the tensors of a batch to predictions at each image's own size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from utad.data.streaming import Read, in_their_places, readable
from utad.data.tensors import to_tensor, to_uint8
from utad.errors import ImageReadError
from utad.models.two_stage import ALL_IMAGES, ImageName, Restoration, TwoStage
from utad.scoring.network import Detection, DetectorNetwork
from utad.scoring.perceptual import upsample
from utad.scoring.segmentation import segment
from utad.types import FloatMap, Prediction, Sample, StoredPictures


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


class RestoredPictures:
    """The pictures of one prediction, made when they are asked for: most are never looked at.

    Pickling makes them all, so that what arrives elsewhere needs no network.

    Args:
        restoration: of a batch.
        index: of the image in it.
        size: `(H, W)` of the image as it was read.
        two_stage: the networks, for the images that the measurement did not need.
    """

    def __init__(self, restoration: Restoration, index: int, size: tuple[int, int], two_stage: TwoStage) -> None:
        # Copies: what is a view of a batch keeps the whole batch in memory.
        self._restored: dict[ImageName, Tensor] = {
            name: getattr(restoration, name)[index : index + 1].clone() for name in ALL_IMAGES
        }
        self._size = size
        self._two_stage = two_stage

    @cached_property
    def impression(self) -> NDArray[np.uint8]:
        """The impression m, `(H, W, 3)` uint8."""
        return self._picture(self._restored["impression"])

    @cached_property
    def naive_impression(self) -> NDArray[np.uint8]:
        """The naive impression m_hat, `(H, W, 3)` uint8."""
        return self._picture(self._restored_by("naive_impression", self._two_stage.naive))

    @cached_property
    def reconstruction(self) -> NDArray[np.uint8]:
        """The reconstruction x_hat, `(H, W, 3)` uint8."""
        return self._picture(self._restored_by("reconstruction", self._two_stage.reconstruct))

    def __reduce__(self) -> tuple[type[StoredPictures], tuple[NDArray[np.uint8], ...]]:
        return StoredPictures, (self.impression, self.naive_impression, self.reconstruction)

    def _restored_by(self, name: ImageName, restore: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        if self._restored[name].numel():
            return self._restored[name]
        with torch.inference_mode():
            restored: Tensor = restore(self._restored["image"], self._restored["impression"])
        return restored

    def _picture(self, restored: Tensor) -> NDArray[np.uint8]:
        return to_uint8(restored[0], self._size)


def to_prediction(
    detection: Detection, two_stage: TwoStage, sizes: Sequence[tuple[int, int]], threshold: float
) -> list[Prediction]:
    """One prediction an image.

    Args:
        detection: of N images.
        two_stage: the networks that restored them.
        sizes: `(H, W)` of each image as it was read.
        threshold: on the normalised score.
    """
    predictions = []
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
                pictures=RestoredPictures(detection.restoration, index, size, two_stage),
                term_maps=TermMaps({name: maps[index] for name, maps in detection.term_maps.items()}, size),
            )
        )
    return predictions


def predict_stack(
    network: DetectorNetwork, stack: Sequence[Read], *, threshold: float
) -> list[tuple[Sample, Prediction | ImageReadError]]:
    """Scores a few images together, in inference mode; what could not be read keeps its place and its error.

    Args:
        network: fitted.
        stack: images `(H, W, 3)` of any sizes, uint8 or uint16.
        threshold: on the normalised score.

    Raises:
        NonFiniteScoreError: if a score or map is not finite.
    """
    images = readable(stack)
    predictions: list[Prediction] = []
    if images:
        tensors = [to_tensor(image, network.config.image.size, network.channels) for image in images]
        sizes = [(image.shape[0], image.shape[1]) for image in images]
        predictions = to_prediction(network(torch.stack(tensors)), network.two_stage, sizes, threshold)
    return in_their_places(stack, predictions)
