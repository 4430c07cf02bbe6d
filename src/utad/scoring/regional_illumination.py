"""Illumination normalisation within a region of interest: what lies outside has no part in it, and is one level."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from utad.config import ScoringConfig
from utad.data.working_region import LEAST_COVERED, WorkingRegion
from utad.models.two_stage import ImageName, Images
from utad.scoring.illumination import (
    DEVIATION,
    LEAST_DEVIATION,
    LEAST_GAIN,
    LEAST_LEVEL,
    MEAN,
    illumination_step,
    keep_illumination,
    normalise_gradient,
)

_WHOLE = 0.99
"""Coverage from which a pixel holds nothing of the fill, whose level does not change with the illumination."""


class RegionalIllumination(nn.Module):
    """As `illumination_step`, with every mean taken over the inside of a region, and one level outside.

        gradient = 1 + a r + b c   with   (a, b) = G^-1 (mean(x r), mean(x c)) / mean(x)

    r and c are the ramps of `normalise_gradient` less their means over the region, and G holds the means of their
    products: on a whole image, where rows and columns have nothing in common, this is the same plane.

    Args:
        config: of the scoring.
        region: at the size of the images.
    """

    coverage: Tensor
    weights: Tensor
    ramps: Tensor
    slopes: Tensor
    level: Tensor

    def __init__(self, config: ScoringConfig, region: WorkingRegion) -> None:
        super().__init__()
        step = illumination_step(config)
        self.normalises = step is not keep_illumination
        self.takes_out_gradient = step is normalise_gradient
        weights = _weights(region.coverage)
        ramps = _centred_ramps(weights)
        products = (ramps[:, None] * ramps[None] * weights).mean(dim=(2, 3))  # G, (2, 2)
        slopes = torch.einsum("ij,jhw->ihw", torch.linalg.pinv(products, hermitian=True), ramps)
        level = torch.full_like(region.fill, MEAN) if self.normalises else region.fill
        # Made of the region anew with every network: no part of its weights.
        for name, constant in (
            ("coverage", region.coverage),
            ("weights", weights.float()),
            ("ramps", ramps.float()),
            ("slopes", slopes.float()),
            ("level", level),
        ):
            self.register_buffer(name, constant.clone(), persistent=False)

    def forward(self, images: Images) -> dict[ImageName, Tensor]:
        """All images changed alike, by the illumination of x inside.

        Args:
            images: `(N, C, S, S)` in [0, 1] each, `image` among them.
        """
        if self.takes_out_gradient:
            gradient = self._gradient(images["image"])
            images = {name: tensor / gradient for name, tensor in images.items()}
        if self.normalises:
            image = images["image"]
            mean = self._mean(image)
            deviation = self._mean((image - mean).square()).sqrt().clamp_min(LEAST_DEVIATION)
            gain = DEVIATION / deviation  # (N, 1, 1, 1)
            offset = MEAN - gain * mean
            images = {name: (gain * tensor + offset).clamp(0.0, 1.0) for name, tensor in images.items()}
        return {name: self.level + self.coverage * (tensor - self.level) for name, tensor in images.items()}

    def _gradient(self, image: Tensor) -> Tensor:
        level = self._mean(image).clamp_min(LEAST_LEVEL)
        gradient = torch.ones_like(image[:, :1])  # (N, 1, S, S)
        for slope, ramp in ((self.slopes[0], self.ramps[0]), (self.slopes[1], self.ramps[1])):
            gradient = gradient + self._mean(image * slope) / level * ramp
        return gradient.clamp_min(LEAST_GAIN)

    def _mean(self, values: Tensor) -> Tensor:
        """Over channels and the inside, `(N, 1, 1, 1)`."""
        return (values * self.weights).mean(dim=(1, 2, 3), keepdim=True)


def _weights(coverage: Tensor) -> Tensor:
    """Of each pixel in a mean over the inside, `(S, S)` float64, with a mean of 1."""
    whole = coverage >= _WHOLE
    # Of a region as thin as a pixel none is inside as a whole.
    chosen = (whole if bool(whole.any()) else coverage >= min(LEAST_COVERED, float(coverage.max()))).double()
    return chosen / chosen.mean()


def _centred_ramps(weights: Tensor) -> Tensor:
    """From -1 to 1 along rows and along columns, less the mean over the inside, `(2, S, S)` float64."""
    ramp = torch.linspace(-1.0, 1.0, weights.shape[-1], dtype=torch.float64)
    ramps = torch.stack([ramp[:, None].expand_as(weights), ramp.expand_as(weights)])
    return ramps - (ramps * weights).mean(dim=(1, 2), keepdim=True)
