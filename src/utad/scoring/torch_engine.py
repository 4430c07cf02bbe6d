"""The network in PyTorch as an engine: the readable form, which every exported graph is compared with."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from utad.data.region_of_interest import lowest_outside
from utad.data.tensors import to_tensor, to_uint8
from utad.models.two_stage import RESTORED, ImageName, TwoStage
from utad.scoring.network import Detection, DetectorNetwork
from utad.scoring.perceptual import upsample
from utad.types import EngineResult, FloatMap, Image, LazyArrays, Mask

MAX_BATCH = 4
"""Images in the networks at a time: more of them leave a CPU's caches, which costs more than it saves."""

if hasattr(os, "register_at_fork"):
    # OpenMP's threads do not survive a fork, and a child that counts on them waits for ever: it computes with one.
    os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))


class TorchEngine:
    """Scores with a fitted network, on the device that it is on.

    Args:
        network: fitted; a change of it shows in the next score.
    """

    max_batch = MAX_BATCH
    same_size = False
    streams = 1

    def __init__(self, network: DetectorNetwork) -> None:
        self.network = network

    def run(self, images: Sequence[Image], *, concurrent: bool = False) -> list[EngineResult]:
        """One result per image `(H, W, 3)`, uint8 or uint16; torch's own threads compute.

        Raises:
            NonFiniteScoreError: if a score or map is not finite.
        """
        return self.run_placed(images, (), concurrent=concurrent)

    @torch.inference_mode()
    def run_placed(
        self, images: Sequence[Image], places: Sequence[int], *, concurrent: bool = False
    ) -> list[EngineResult]:
        """The same, of tiles at places that have statistics of their own."""
        del concurrent
        network, region = self.network, self.network.region
        seen = images if region is None else [region.filled(image) for image in images]
        tensors = [to_tensor(image, network.size, network.channels) for image in seen]
        device = next(network.parameters()).device
        at = torch.tensor(places, device=device) if places else None
        detection = network(torch.stack(tensors).to(device), at)
        return [
            _result(detection, network, index, (image.shape[0], image.shape[1])) for index, image in enumerate(images)
        ]


def _result(detection: Detection, network: DetectorNetwork, index: int, size: tuple[int, int]) -> EngineResult:
    """The result of one image of a batch, at its own size `(H, W)`."""
    inside = network.region.inside(size) if network.region is not None else None
    device = detection.raw_score.device
    # Copies, off the device: a view of a batch keeps the whole batch in memory.
    images = {name: batch[index : index + 1].cpu().clone() for name, batch in detection.images.items()}
    made = _Restored(images, network.two_stage, device)
    maps = {name: batch[index].cpu().clone() for name, batch in detection.component_maps.items()}
    return EngineResult(
        raw_score=float(detection.raw_score[index]),
        pred_score=float(detection.score[index]),
        anomaly_map=_at_size(detection.anomaly_map[index], size, inside),
        pictures=LazyArrays({name: partial(_picture, name, made, size) for name in RESTORED}),
        component_maps=LazyArrays({name: partial(_at_size, values, size, inside) for name, values in maps.items()}),
        shares={name: float(values[index]) for name, values in detection.shares.items()},
        code=np.empty(0, np.float32) if detection.code is None else detection.code[index].float().cpu().numpy().copy(),
        inside=inside,
    )


@dataclass
class _Restored:
    """The restored images of one image; those that the measurement did not need are made when they are asked for.

    Attributes:
        images: x, and those that are there, `(1, C, S, S)` in [0, 1] each; x_hat and m_hat both need m, which is kept.
        two_stage: makes the others.
        device: that it is on.
    """

    images: dict[ImageName, Tensor]
    two_stage: TwoStage
    device: torch.device

    def __getitem__(self, name: ImageName) -> Tensor:
        if name in self.images:
            return self.images[name]
        x = self.images["image"].to(self.device)
        if "impression" not in self.images:
            self.images["impression"] = self.two_stage(x, ("impression",))["impression"].cpu()
            return self[name]
        return self.two_stage.restored(x, self.images["impression"].to(self.device), (name,))[name]


@torch.inference_mode()
def _picture(name: ImageName, made: _Restored, size: tuple[int, int]) -> NDArray[np.uint8]:
    """A restored image `(H, W, 3)` uint8."""
    return to_uint8(made[name][0], size)


def _at_size(values: Tensor, size: tuple[int, int], inside: Mask | None) -> FloatMap:
    found: FloatMap = upsample(values[None].float().cpu(), size)[0].numpy()
    return lowest_outside(found, inside)
