"""The Gaussian term: Mahalanobis distance of a feature vector to the normal ones of its place.

    d(v)^2 = (v - mu_p)^T (a Sigma + (1 - a) Sigma_c)^-1 (v - mu_p) / C

mu_p is the mean at position p (PaDiM, Defard et al., 2021), drawn towards the mean of all positions where images
are few; Sigma the covariance shared by all positions, Sigma_c that of the cell which p lies in. The mixture
serves aligned objects, where each place has its own statistics, and textures, where it has not (docs/adr/0005).
Given corrupted normal images too, directions count by what these change in them (`scoring.contrast`).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from utad.scoring.contrast import CorruptedVectors, directions
from utad.scoring.state import FittedModule

SHARED = 0.4
"""a, the weight of the shared covariance."""

MAX_CELLS = 8
"""Cells a side at the most."""

MAX_CELL_VALUES = 2**22
"""Values in the matrices of all cells at the most (16 MB): long vectors get fewer and larger cells."""

PRIOR_IMAGES = 8
"""Images that the shared mean counts for in the mean of a position."""

RIDGE = 1e-3
"""Added to the diagonal of every covariance, as a part of its mean."""


class GaussianTerm(FittedModule):
    """Distances of feature vectors from their normal distribution.

    Attributes:
        mean: `(C, g, g)`.
        whitening: one matrix a cell, `(cells * cells, C, C)`, with W Sigma W^T = 1; with corrupted images R W, R
            as in `contrast.directions`.
    """

    mean: Tensor
    whitening: Tensor

    def __init__(self) -> None:
        super().__init__(("mean", "whitening"))

    def fit(self, vectors: Tensor, corrupted: CorruptedVectors | None = None) -> GaussianTerm:
        """Fits to the features `(N, C, g, g)` of normal images, N at least 2.

        Args:
            vectors: of normal images, float32.
            corrupted: of changed ones, `(K, C)`, which say what each direction is worth; without, all count alike.
        """
        count, channels = vectors.shape[:2]
        shared_mean = vectors.mean(dim=(0, 2, 3))[:, None, None]
        self.mean = (count * vectors.mean(dim=0) + PRIOR_IMAGES * shared_mean) / (count + PRIOR_IMAGES)
        cells = _to_cells(vectors - self.mean, self._cells(vectors)).double()  # (cells, N * r * r, C)
        own = cells.transpose(1, 2) @ cells / cells.shape[1]  # (cells, C, C)
        shared = own.mean(dim=0)
        identity = torch.eye(channels, dtype=shared.dtype, device=shared.device)
        ridge = RIDGE * shared.diagonal().mean() + 1e-10
        whitening = _whitening(SHARED * shared + (1 - SHARED) * own + ridge * identity).float()
        if corrupted is not None and len(corrupted.vectors) > 0:
            whitening = directions(self._whitened(corrupted, whitening, vectors.shape[-1])) @ whitening
        # The solver gives columns; as a loaded model has rows, so that both multiply alike to the last bit.
        self.whitening = whitening.contiguous()
        return self

    def fit_like(self, vectors: Tensor, corrupted: CorruptedVectors | None = None) -> GaussianTerm:
        """A new term of the same kind, fitted to other features."""
        return GaussianTerm().fit(vectors, corrupted)

    def forward(self, vectors: Tensor) -> Tensor:
        """Features `(N, C, g, g)` to distances `(N, g, g)`, at least 0.

        About 1 for a normal position where all directions count alike; less where corruptions weigh them.

        Raises:
            NotFittedError: before `fit`.
        """
        self.require_fitted()
        count, side = vectors.shape[0], vectors.shape[-1]
        cells = math.isqrt(len(self.whitening))
        whitened = _to_cells(vectors - self.mean, cells) @ self.whitening.transpose(1, 2)
        return _from_cells(whitened.square().mean(dim=2).sqrt(), count, side, cells)

    def _whitened(self, corrupted: CorruptedVectors, whitening: Tensor, side: int) -> Tensor:
        deviations = corrupted.vectors - self.mean.flatten(1).T[corrupted.place]  # (K, C)
        cells = math.isqrt(len(whitening))
        row, column = corrupted.place // side, corrupted.place % side
        cell = row * cells // side * cells + column * cells // side
        parts = [deviations[cell == index] @ matrix.T for index, matrix in enumerate(whitening)]
        return torch.cat(parts)

    @staticmethod
    def _cells(vectors: Tensor) -> int:
        channels, side = vectors.shape[1], vectors.shape[-1]
        affordable = max(1, math.isqrt(MAX_CELL_VALUES // channels**2))
        return max(cells for cells in range(1, min(MAX_CELLS, affordable) + 1) if side % cells == 0)


def _whitening(covariance: Tensor) -> Tensor:
    """W with W Sigma W^T = 1, for a stack of matrices: the inverse of the Cholesky factor."""
    factor = torch.linalg.cholesky(covariance)
    identity = torch.eye(factor.shape[-1], dtype=factor.dtype, device=factor.device).expand_as(factor)
    inverse: Tensor = torch.linalg.solve_triangular(factor, identity, upper=False)
    return inverse


def _to_cells(vectors: Tensor, cells: int) -> Tensor:
    """`(N, C, g, g)` to `(cells * cells, N * r * r, C)` with r = g / cells."""
    count, channels, side, _ = vectors.shape
    inner = side // cells
    split = vectors.reshape(count, channels, cells, inner, cells, inner)
    return split.permute(2, 4, 0, 3, 5, 1).reshape(cells * cells, count * inner * inner, channels)


def _from_cells(values: Tensor, count: int, side: int, cells: int) -> Tensor:
    """`(cells * cells, N * r * r)` back to `(N, g, g)`."""
    inner = side // cells
    return values.reshape(cells, cells, count, inner, inner).permute(2, 0, 3, 1, 4).reshape(count, side, side)
