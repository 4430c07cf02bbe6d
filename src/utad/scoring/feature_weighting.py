"""Discriminative feature weighting: each direction of a feature space counts by what synthetic anomalies change in it.

In the whitened space of a component, normal vectors have covariance 1, and vectors at synthetic anomalies have
Sigma_c. As Gaussians with the same mean, the two differ by

    log p_c(u) - log p_n(u) = 1/2 u^T (1 - Sigma_c^-1) u + constant
                            = 1/2 sum_k (1 - 1 / lambda_k) (p_k^T u)^2 + constant

with the eigenvectors p_k and eigenvalues lambda_k of Sigma_c. The Mahalanobis distance gives every direction weight 1,
also those in which no change of an image shows. Here the weight is max(0, 1 - 1 / lambda_k): close to 1 where synthetic
anomalies stand out, 0 where they do not (lambda <= 1). Not part of the paper: it is the quadratic discriminant of two
Gaussians without its negative terms (docs/adr/0005).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

LEAST_COVERED = 0.4
"""Part of a position that has to be changed before its vector counts as changed."""


@dataclass(frozen=True)
class AnomalousVectors:
    """Feature vectors at the positions of synthetic anomalies.

    Attributes:
        vectors: `(K, C)`.
        position: in the map, row by row, `(K,)` int64.
        image: which normal image the anomaly was put into, `(K,)` int64.
        place: of that image, where it is a tile of a grid whose places have statistics of their own, `(K,)` int64; None
            where none has.
    """

    vectors: Tensor
    position: Tensor
    image: Tensor
    place: Tensor | None = None

    def without(self, left_out: Tensor) -> AnomalousVectors:
        """Those of images that are not left out, a bool `(N,)`."""
        kept = ~left_out[self.image]
        place = self.place[kept] if self.place is not None else None
        return AnomalousVectors(self.vectors[kept], self.position[kept], self.image[kept], place)

    def at_places(self, places: Tensor) -> AnomalousVectors:
        """The same, of which the places are known: those of all normal images, `(N,)` int64."""
        return replace(self, place=places.to(self.image.device)[self.image])

    @staticmethod
    def joined(parts: Sequence[AnomalousVectors]) -> AnomalousVectors:
        """All parts as one; no place is known in any of them yet."""
        return AnomalousVectors(
            torch.cat([part.vectors for part in parts]),
            torch.cat([part.position for part in parts]),
            torch.cat([part.image for part in parts]),
        )


def vectors_at(maps: Tensor, mask: Tensor, source: Tensor) -> AnomalousVectors:
    """The vectors at the positions of synthetic anomalies.

    Args:
        maps: features of the changed images, `(N, C, g, g)`.
        mask: where they were changed, bool `(N, S, S)`; a position counts from `LEAST_COVERED` on, and the one vector
            of an image (g = 1) wherever the image was changed.
        source: which normal image each was made of, `(N,)` int64.

    Returns:
        K vectors, 0 where no position is changed enough.
    """
    side = maps.shape[-1]
    covered = functional.adaptive_avg_pool2d(mask.float()[:, None], side).flatten(1)
    image, position = (covered > (LEAST_COVERED if side > 1 else 0.0)).nonzero(as_tuple=True)
    return AnomalousVectors(maps.flatten(2).transpose(1, 2)[image, position], position, source[image])


def weighting_matrix(anomalous: Tensor) -> Tensor:
    """The matrix R with `|R u|^2 = sum_k max(0, 1 - 1 / lambda_k) (p_k^T u)^2`, `(C, C)`.

    Args:
        anomalous: whitened vectors at synthetic anomalies, `(K, C)`, K at least 1.
    """
    values = anomalous.double()
    ratios, vectors = torch.linalg.eigh(values.T @ values / len(values))
    weights = (1 - 1 / ratios.clamp_min(1.0)).sqrt()
    rows: Tensor = weights[:, None] * vectors.T
    return rows.float()
