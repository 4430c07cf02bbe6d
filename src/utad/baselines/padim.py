"""PaDiM (Defard et al., "PaDiM: a Patch Distribution Modeling Framework", ICPR 2021 workshops).

A Gaussian for every position of the feature map, covariance with epsilon = 0.01 on the diagonal, Mahalanobis
distance; a random choice of 100 channels; maps smoothed by a Gaussian of sigma 4; the image's score is the highest
value of its map.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from utad.baselines.baseline import Baseline, Scores
from utad.baselines.departures import Departures
from utad.baselines.features import FrozenFeatures, smooth
from utad.scoring.perceptual import upsample

EPSILON = 0.01
CHANNELS = 100
SIGMA = 4.0


class PaDiM(Baseline):
    """Statistics of pretrained features, position by position."""

    name = "padim"
    departs: ClassVar[Departures] = Departures(
        source="Defard et al., ICPR 2021 workshops",
        changes=("features of EfficientNet-Lite0, as UTAD's, instead of ResNet-18 and larger ones",),
        source_steps="",
        label="",
    )

    def learn(self, images: Tensor) -> None:
        """Means and covariances of every position."""
        self.features_ = FrozenFeatures()
        channels = self.features_.channels
        self.chosen_ = torch.randperm(channels)[:CHANNELS].sort().values
        vectors = torch.cat([self._vectors(batch) for batch in torch.split(images, 16)], dim=1)
        self.mean_, self.inverse_factor_ = gaussian_per_position(vectors.double())

    def score(self, images: Tensor) -> Scores:
        """Mahalanobis distance per position, smoothed."""
        self.check_fitted()
        whitened = (self._vectors(images) - self.mean_[:, None]) @ self.inverse_factor_.transpose(1, 2)
        side = math.isqrt(len(self.mean_))
        distances = whitened.square().sum(dim=2).sqrt().T.reshape(-1, side, side)
        maps = smooth(upsample(distances, self.size), SIGMA * self.size / 256)
        return Scores(maps.flatten(1).amax(dim=1), maps)

    def _vectors(self, images: Tensor) -> Tensor:
        """Images `(N, C, S, S)` to the chosen channels at all g * g positions, `(g * g, N, CHANNELS)`."""
        features: Tensor = self.features_(images)[:, self.chosen_]
        return features.flatten(2).permute(2, 0, 1)


def gaussian_per_position(vectors: Tensor, epsilon: float = EPSILON) -> tuple[Tensor, Tensor]:
    """Mean and inverse Cholesky factor of every position.

    Args:
        vectors: `(P, N, C)` float64, N at least 2.
        epsilon: added to the diagonal of the covariances.

    Returns:
        `(P, C)` and `(P, C, C)` float32, the second being W with W Sigma W^T = 1.
    """
    mean = vectors.mean(dim=1)
    centred = vectors - mean[:, None]
    covariance = centred.transpose(1, 2) @ centred / (vectors.shape[1] - 1)
    identity = torch.eye(vectors.shape[2], dtype=vectors.dtype)
    factor = torch.linalg.cholesky(covariance + epsilon * identity)
    inverse = torch.linalg.solve_triangular(factor, identity.expand_as(factor), upper=False)
    return mean.float(), inverse.float()
