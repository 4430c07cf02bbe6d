"""PaDiM (Defard et al., "PaDiM: a Patch Distribution Modeling Framework", ICPR 2021 workshops).

A Gaussian for every position of the feature map, covariance with epsilon = 0.01 on the diagonal, Mahalanobis
distance; a random choice of 100 channels; maps smoothed by a Gaussian of sigma 4; the image's score is the highest
value of its map.
"""

from __future__ import annotations

import torch
from torch import Tensor

from utad.baselines.baseline import Baseline, Scores
from utad.baselines.features import FrozenFeatures, smooth
from utad.errors import NotFittedError
from utad.scoring.perceptual import upsample

EPSILON = 0.01
CHANNELS = 100
SIGMA = 4.0


class PaDiM(Baseline):
    """Statistics of pretrained features, place by place."""

    name = "padim"

    def learn(self, images: Tensor) -> None:
        """Means and covariances of every position."""
        self.features_ = FrozenFeatures()
        channels = self.features_.channels
        self.chosen_ = torch.randperm(channels)[:CHANNELS].sort().values
        vectors = torch.cat([self._vectors(batch) for batch in torch.split(images, 16)])  # (N, C, g, g)
        count, width, side, _ = vectors.shape
        places = vectors.permute(2, 3, 0, 1).reshape(side * side, count, width).double()
        self.mean_, self.inverse_factor_ = gaussian_per_place(places)

    def score(self, images: Tensor) -> Scores:
        """Mahalanobis distance per position, smoothed."""
        if not hasattr(self, "mean_"):
            raise NotFittedError("PaDiM is used before it was fitted")
        vectors = self._vectors(images)
        count, width, side, _ = vectors.shape
        places = vectors.permute(2, 3, 0, 1).reshape(side * side, count, width)
        whitened = (places - self.mean_[:, None]) @ self.inverse_factor_.transpose(1, 2)
        distances = whitened.square().sum(dim=2).sqrt().T.reshape(count, side, side)
        maps = smooth(upsample(distances, self.size), SIGMA * self.size / 256)
        return Scores(maps.flatten(1).amax(dim=1), maps)

    def _vectors(self, images: Tensor) -> Tensor:
        with torch.inference_mode():
            vectors: Tensor = self.features_(images)[:, self.chosen_]
        return vectors


def gaussian_per_place(places: Tensor, epsilon: float = EPSILON) -> tuple[Tensor, Tensor]:
    """Mean and inverse Cholesky factor of every place.

    Args:
        places: `(P, N, C)` float64, N at least 2.
        epsilon: added to the diagonal of the covariances.

    Returns:
        `(P, C)` and `(P, C, C)` float32, the second being W with W Sigma W^T = 1.
    """
    mean = places.mean(dim=1)
    centred = places - mean[:, None]
    covariance = centred.transpose(1, 2) @ centred / (places.shape[1] - 1)
    identity = torch.eye(places.shape[2], dtype=places.dtype)
    factor = torch.linalg.cholesky(covariance + epsilon * identity)
    inverse = torch.linalg.solve_triangular(factor, identity.expand_as(factor), upper=False)
    return mean.float(), inverse.float()
