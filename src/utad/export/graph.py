"""The whole detector as one module of tensors: from uint8 images to everything that a prediction holds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from utad.config import MaskConfig
from utad.data.conversion import LUMA
from utad.export.resize import (
    antialiased_weights,
    bilinear_weights,
    nearest_positions,
    positions,
    resize,
    resize_uint8,
)
from utad.scoring.network import DetectorNetwork
from utad.scoring.segmentation import segment


@dataclass(frozen=True)
class MaskRule:
    """How the map of an image becomes its mask, for whoever reads the graph without this package.

    Attributes:
        settings: of Eq. 9; what is left out for its size is left out by `Predictor` alone.
        threshold: above which an image is anomalous, at the time of the export.
    """

    settings: MaskConfig
    threshold: float

    def __call__(self, anomaly_map: Tensor, score: Tensor, inside: Tensor | None = None) -> Tensor:
        """What `draw_mask` does: maps `(N, H, W)` and normalised scores `(N,)` to bool `(N, H, W)`.

        Args:
            anomaly_map: normalised.
            score: normalised.
            inside: bool `(H, W)`, the region of interest; None for the whole image.
        """
        peak = anomaly_map.amax(dim=(1, 2), keepdim=True)
        limit = torch.full_like(peak, self.settings.alpha)
        if self.settings.relative:
            limit = torch.where(peak > 0, self.settings.alpha * peak, limit)
        found = segment(anomaly_map, limit) | ((anomaly_map >= peak) & (peak <= limit))
        found = found & (score > self.threshold)[:, None, None]
        return found if inside is None else found & inside


class ExportGraph(nn.Module):
    """Pre-processing, network and post-processing, without a branch that depends on the data.

    An image whose three channels are equal needs no case of its own: its luma is that channel. Whether a score is
    finite is checked by whoever runs the graph.

    Args:
        network: fitted.
        mask: from map and score to the mask.
        boundaries: also give the tensors at which networks and float arithmetic meet, where a runtime is to cut the
            graph in order to compute the networks alone in bf16.
    """

    luma: Tensor
    region: Tensor | None
    fill: Tensor | None

    def __init__(self, network: DetectorNetwork, mask: MaskRule, *, boundaries: bool = False) -> None:
        super().__init__()
        self.boundaries = boundaries
        self.network = network
        self.mask = mask
        # Read here: the graph holds them as numbers.
        self.image_normalisation = network.normalisation.of_image()
        self.pixel_normalisation = network.normalisation.of_pixel()
        self.register_buffer("luma", torch.tensor(LUMA).view(1, 3, 1, 1))
        region = network.region
        self.register_buffer("region", torch.from_numpy(region.mask.astype(np.uint8)) if region else None)
        self.register_buffer("fill", torch.tensor(region.fill, dtype=torch.uint8) if region else None)

    def forward(self, images: Tensor, places: Tensor | None = None) -> tuple[Tensor, ...]:
        """Images `(N, H, W, 3)` uint8 to the outputs.

        Args:
            images: as they are, or tiles of them.
            places: of tiles, `(N,)` int64, where places have statistics of their own.

        Returns:
            Normalised score `(N,)`, raw score `(N,)`, normalised map `(N, H, W)`, mask `(N, H, W)` bool; impression,
            naive impression and reconstruction, `(N, H, W, 3)` uint8; the map of each score component `(N, H, W)`;
            x as the networks see it, `(N, C, S, S)` in [0, 1]; what each component has of the normalised score
            `(N, K)`; its code `(N, D)`, where the network gives one. With `boundaries`, then m, m_hat and x_hat as they
            give them, and, where there is a backbone, all images that it sees in one batch and the maps of its stages.
        """
        network = self.network
        rows, columns, side = positions(images.shape[1]), positions(images.shape[2]), positions(network.size)
        inside = self._inside(rows, columns)
        if inside is not None and self.fill is not None:
            images = torch.where(inside[:, :, None], images, self.fill)
        prepared = self._prepare(images, rows, columns, side)
        restored = network.two_stage(prepared)
        seen = network.stack(restored)
        stages = network.backbone(seen)
        features = network.split(stages)
        measured = network.measurement(features, network.size, places)
        code = network.code([stage["image"] for stage in features if "image" in stage])
        to_image = bilinear_weights(side, rows), bilinear_weights(side, columns)
        anomaly_map = _lowest_outside(resize(self.pixel_normalisation.apply(measured.anomaly_map), *to_image), inside)
        pictures = (restored["impression"], restored["naive_impression"], restored["reconstruction"])
        weights = antialiased_weights(side, rows), antialiased_weights(side, columns)
        score = self.image_normalisation.apply(measured.score)
        outputs = (
            score,
            measured.score,
            anomaly_map,
            self.mask(anomaly_map, score, inside),
            *(_picture(picture, *weights) for picture in pictures),
            *(_lowest_outside(resize(maps, *to_image), inside) for maps in measured.component_maps.values()),
            prepared,
            torch.stack(list(self.image_normalisation.shares(measured.score_parts, score).values()), dim=1).float(),
            *(() if code is None else (code,)),
        )
        if not self.boundaries:
            return outputs
        backbone = () if stages[0] is seen else (seen, *stages)  # compared pixels pass through none
        return (*outputs, *pictures, *backbone)

    def _inside(self, rows: Tensor, columns: Tensor) -> Tensor | None:
        """What `RegionOfInterest.inside` gives, bool `(H, W)`; None without a region."""
        if self.region is None:
            return None
        height, width = self.region.shape
        across = self.region.index_select(1, nearest_positions(columns, width))
        return across.index_select(0, nearest_positions(rows, height)).to(torch.bool)

    def _prepare(self, images: Tensor, rows: Tensor, columns: Tensor, side: Tensor) -> Tensor:
        """What `to_tensor` does: `(N, H, W, 3)` uint8 to `(N, C, S, S)` in [0, 1]."""
        pixels = images.permute(0, 3, 1, 2).to(torch.float32)  # (N, 3, H, W)
        resized = resize_uint8(pixels, antialiased_weights(rows, side), antialiased_weights(columns, side)) / 255
        if self.network.channels == 1:
            return (resized * self.luma).sum(dim=1, keepdim=True).clamp(0.0, 1.0)
        return resized


def _lowest_outside(maps: Tensor, inside: Tensor | None) -> Tensor:
    """What `lowest_outside` does, for maps `(N, H, W)`."""
    if inside is None:
        return maps
    highest = maps.amax(dim=(1, 2), keepdim=True)
    lowest = torch.where(inside, maps, highest).amin(dim=(1, 2), keepdim=True)
    return torch.where(inside, maps, lowest)


def _picture(picture: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """What `to_uint8` does: `(N, C, S, S)` to `(N, H, W, 3)` uint8."""
    levels = (resize(picture, rows, columns).clamp(0.0, 1.0) * 255).round().to(torch.uint8)
    return levels.expand(-1, 3, -1, -1).permute(0, 2, 3, 1)
