"""The Gaussian feature distance: Mahalanobis distance of a vector to the normal ones at its position.

    d(v)^2 = (v - mu_p)^T (a Sigma + (1 - a) Sigma_b)^-1 (v - mu_p) / C

mu_p is the mean at position p (PaDiM, Defard et al., 2021), shrunk towards the mean of all positions where images
are few; where images are tiles of one grid each place has its own, shrunk towards that of all (docs/adr/0021). Sigma
is the covariance shared by all positions, Sigma_b that of the block of positions which p lies in. The mixture serves
aligned objects, where each position has its own statistics, and textures, where it has not (docs/adr/0005). Given
vectors at synthetic anomalies too, directions are weighted (`scoring.feature_weighting`).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from utad.data.tile_places import TilePlaces
from utad.scoring.distance import FeatureDistance
from utad.scoring.feature_weighting import AnomalousVectors, weighting_matrix
from utad.scoring.fitted_module import at_place

SHARED = 0.4
"""a, the weight of the shared covariance."""

MAX_BLOCKS = 8
"""Most blocks per side."""

MAX_BLOCK_VALUES = 2**22
"""Most values in the matrices of all blocks (16 MB): long vectors get fewer and larger blocks."""

PRIOR_IMAGES = 8
"""Weight of the shared mean in the mean of a position, and of that in the mean of a place, in images."""

SUMMED_VALUES = 2**22
"""Values whose products are summed at a time, which bounds the memory: twice 32 MB as float64."""

RIDGE = 1e-3
"""Added to the diagonal of every covariance, as a part of its mean."""


class GaussianDistance(FeatureDistance):
    """Distances of feature vectors from their normal distribution.

    Attributes:
        mean: `(C, g, g)`; with places `(P + 1, C, g, g)`, the last for a tile whose place is not known.
        whitening: one matrix per block, `(blocks * blocks, C, C)`, with W Sigma W^T = 1; with synthetic anomalies
            R W, R as in `feature_weighting.weighting_matrix`.
    """

    mean: Tensor
    whitening: Tensor

    def __init__(self) -> None:
        super().__init__(("mean", "whitening"))

    def fit(
        self,
        vectors: Tensor,
        anomalous: AnomalousVectors | None = None,
        positions: Tensor | None = None,
        places: TilePlaces | None = None,
    ) -> GaussianDistance:
        """Fits to the features `(N, C, g, g)` of normal images, N at least 2.

        Args:
            vectors: of normal images, float32.
            anomalous: vectors at synthetic anomalies, which weight the directions; without, all have weight 1.
            positions: bool `(g, g)`, those that are learnt from; None for all.
            places: of the N images, which then have means of their own; None where they have none.
        """
        count, channels = vectors.shape[:2]
        learnt = vectors if positions is None else vectors[..., positions][..., None]  # (N, C, P, 1)
        shared_mean = learnt.mean(dim=(0, 2, 3))[:, None, None]
        self.mean = (count * vectors.mean(dim=0) + PRIOR_IMAGES * shared_mean) / (count + PRIOR_IMAGES)
        if places is not None:
            self.mean = _means_of_places(vectors, places, self.mean)
        own, shared = self._covariances(vectors, positions, places.of if places is not None else None)
        identity = torch.eye(channels, dtype=shared.dtype, device=shared.device)
        ridge = RIDGE * shared.diagonal().mean() + 1e-10
        whitening = _whitening(SHARED * shared + (1 - SHARED) * own + ridge * identity).float()
        if anomalous is not None and len(anomalous.vectors) > 0:
            whitening = weighting_matrix(self._whitened(anomalous, whitening, vectors.shape[-1])) @ whitening
        # The solver gives columns; as a loaded model has rows, so that both multiply alike to the last bit.
        self.whitening = whitening.contiguous()
        return self

    def unfitted(self) -> GaussianDistance:
        """A new distance of the same settings."""
        return GaussianDistance()

    def forward(self, vectors: Tensor, places: Tensor | None = None) -> Tensor:
        """Features `(N, C, g, g)`, at `places` `(N,)` int64 if they have any, to distances `(N, g, g)`, at least 0.

        About 1 for a normal position where all directions have weight 1; less where they are weighted.

        Raises:
            NotFittedError: before `fit`.
        """
        self.require_fitted()
        count, side = vectors.shape[0], int(vectors.shape[-1])
        blocks = math.isqrt(len(self.whitening))
        whitened = _to_blocks(vectors - at_place(self.mean, places, 3), blocks) @ self.whitening.transpose(1, 2)
        return _from_blocks(whitened.square().mean(dim=2).sqrt(), count, side, blocks)

    def _covariances(self, vectors: Tensor, positions: Tensor | None, places: Tensor | None) -> tuple[Tensor, Tensor]:
        """That of each block `(blocks * blocks, C, C)`, and the one shared by all, float64."""
        count, channels = self._blocks(vectors), vectors.shape[1]
        counted = positions.to(vectors) if positions is not None else vectors.new_ones(vectors.shape[2:])
        products = vectors.new_zeros((count * count, channels, channels), dtype=torch.float64)
        step = max(1, SUMMED_VALUES // vectors[0].numel())
        for start in range(0, len(vectors), step):
            chosen = slice(start, start + step)
            products += self._products(vectors[chosen], counted, count, places[chosen] if places is not None else None)
        learnt = len(vectors) * _to_blocks(counted[None, None], count).double().sum(dim=1, keepdim=True)
        shared = products.sum(dim=0) / learnt.sum()
        # A block without any position is as all the others.
        return torch.where(learnt > 0, products / learnt.clamp_min(1.0), shared), shared

    def _products(self, vectors: Tensor, counted: Tensor, blocks: int, places: Tensor | None) -> Tensor:
        """The sums of the outer products of deviations in each block, `(blocks * blocks, C, C)` float64."""
        # (blocks, N * r * r, C)
        deviations = _to_blocks((vectors - at_place(self.mean, places, 3)) * counted, blocks).double()
        return deviations.transpose(1, 2) @ deviations

    def _whitened(self, anomalous: AnomalousVectors, whitening: Tensor, side: int) -> Tensor:
        means = self.mean.flatten(-2).transpose(-1, -2)  # (g * g, C), with places (P + 1, g * g, C)
        at = (anomalous.position,) if anomalous.place is None else (anomalous.place, anomalous.position)
        deviations = anomalous.vectors - means[at]  # (K, C)
        blocks = math.isqrt(len(whitening))
        row, column = anomalous.position // side, anomalous.position % side
        block = row * blocks // side * blocks + column * blocks // side
        parts = [deviations[block == index] @ matrix.T for index, matrix in enumerate(whitening)]
        return torch.cat(parts)

    @staticmethod
    def _blocks(vectors: Tensor) -> int:
        channels, side = vectors.shape[1], vectors.shape[-1]
        affordable = max(1, math.isqrt(MAX_BLOCK_VALUES // channels**2))
        return max(blocks for blocks in range(1, min(MAX_BLOCKS, affordable) + 1) if side % blocks == 0)


def _means_of_places(vectors: Tensor, places: TilePlaces, mean: Tensor) -> Tensor:
    """The means of all places, and after them `mean`, towards which they are shrunk, `(P + 1, C, g, g)`."""
    of = places.of.to(vectors.device)
    sums = vectors.new_zeros((places.count + 1, *mean.shape)).index_add_(0, of, vectors)
    counts = torch.bincount(of, minlength=places.count + 1)[:, None, None, None].to(vectors)
    means = (sums + PRIOR_IMAGES * mean) / (counts + PRIOR_IMAGES)
    means[-1] = mean
    return means


def _whitening(covariance: Tensor) -> Tensor:
    """W with W Sigma W^T = 1, for a stack of matrices: the inverse of the Cholesky factor."""
    factor = torch.linalg.cholesky(covariance)
    identity = torch.eye(factor.shape[-1], dtype=factor.dtype, device=factor.device).expand_as(factor)
    inverse: Tensor = torch.linalg.solve_triangular(factor, identity, upper=False)
    return inverse


def _to_blocks(vectors: Tensor, blocks: int) -> Tensor:
    """`(N, C, g, g)` to `(blocks * blocks, N * r * r, C)` with r = g / blocks."""
    count, channels = vectors.shape[:2]
    inner = int(vectors.shape[-1]) // blocks
    split = vectors.reshape(count, channels, blocks, inner, blocks, inner)
    return split.permute(2, 4, 0, 3, 5, 1).reshape(blocks * blocks, count * inner * inner, channels)


def _from_blocks(values: Tensor, count: int, side: int, blocks: int) -> Tensor:
    """`(blocks * blocks, N * r * r)` back to `(N, g, g)`."""
    inner = side // blocks
    return values.reshape(blocks, blocks, count, inner, inner).permute(2, 0, 3, 1, 4).reshape(count, side, side)
