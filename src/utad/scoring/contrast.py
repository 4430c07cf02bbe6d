"""What corruptions change: the directions of a feature space in which a deviation means something.

In the whitened space of a term normal vectors have the covariance 1, and vectors where the image was corrupted have
Sigma_c. As Gaussians about the same mean, the two differ by

    log p_c(u) - log p_n(u) = 1/2 u^T (1 - Sigma_c^-1) u + constant
                            = 1/2 sum_k (1 - 1 / lambda_k) (p_k^T u)^2 + constant

with the eigenvectors p_k and eigenvalues lambda_k of Sigma_c. The Mahalanobis distance counts every direction alike,
those too in which no change of the image ever shows; here a direction counts for as much as corruptions stand out in
it, at the most as much as before, and for nothing where they do not (lambda <= 1). Not part of the paper: it is the
quadratic discriminant of two Gaussians with its negative parts left out (docs/adr/0005).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

LEAST_COVERED = 0.4
"""Part of a position that has to be changed before its vector counts as changed."""


@dataclass(frozen=True)
class CorruptedVectors:
    """Feature vectors at the places where images were corrupted.

    Attributes:
        vectors: `(K, C)`.
        place: position in the map, row by row, `(K,)` int64.
        image: which normal image the corrupted one was made of, `(K,)` int64.
    """

    vectors: Tensor
    place: Tensor
    image: Tensor

    def without(self, left_out: Tensor) -> CorruptedVectors:
        """Those of images that are not left out, a bool `(N,)`."""
        kept = ~left_out[self.image]
        return CorruptedVectors(self.vectors[kept], self.place[kept], self.image[kept])

    @staticmethod
    def joined(parts: Sequence[CorruptedVectors]) -> CorruptedVectors:
        """All parts as one."""
        return CorruptedVectors(
            torch.cat([part.vectors for part in parts]),
            torch.cat([part.place for part in parts]),
            torch.cat([part.image for part in parts]),
        )


def vectors_at(maps: Tensor, mask: Tensor, source: Tensor) -> CorruptedVectors:
    """The vectors where images were corrupted.

    Args:
        maps: features of corrupted images, `(N, C, g, g)`.
        mask: where they were, bool `(N, S, S)`; a position counts from `LEAST_COVERED` on, and one vector an image
            (g = 1) wherever the image was changed.
        source: which normal image each was made of, `(N,)` int64.

    Returns:
        K vectors, 0 where no position is changed enough.
    """
    side = maps.shape[-1]
    covered = functional.adaptive_avg_pool2d(mask.float()[:, None], side).flatten(1)
    image, place = (covered > (LEAST_COVERED if side > 1 else 0.0)).nonzero(as_tuple=True)
    return CorruptedVectors(maps.flatten(2).transpose(1, 2)[image, place], place, source[image])


def directions(corrupted: Tensor) -> Tensor:
    """The matrix R with |R u|^2 = sum_k max(0, 1 - 1 / lambda_k) (p_k^T u)^2, `(C, C)`.

    Args:
        corrupted: whitened vectors where images were corrupted, `(K, C)`, K at least 1.
    """
    values = corrupted.double()
    ratios, vectors = torch.linalg.eigh(values.T @ values / len(values))
    weights = (1 - 1 / ratios.clamp_min(1.0)).sqrt()
    rows: Tensor = weights[:, None] * vectors.T
    return rows.float()
