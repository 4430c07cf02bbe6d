"""The Gaussian term: Mahalanobis distance to the normal features, shared by all positions or per position.

Textures look alike everywhere, so one mean and covariance serve all positions; aligned objects have their own
statistics in each place (PaDiM, Defard et al., 2021). Which it is, is decided by the likelihood of normal
images that were left out, over a range from one to the other:

    d(v)^2 = (v - mu_p)^T (a Sigma + (1 - a) Sigma_c)^-1 (v - mu_p) / C

with Sigma shared, Sigma_c of the cell that position p lies in, and a from `SHRINKAGES`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from utad.errors import NotFittedError
from utad.scoring.state import FittedModule

SHRINKAGES = (1.0, 0.9, 0.7, 0.5)
"""Weights of the shared covariance that are tried; 1 has no covariance per cell."""

MAX_CELLS = 16
"""Cells a side at the most."""

MAX_CELL_VALUES = 2**23
"""Values in the matrices of all cells at the most (32 MB): long vectors get fewer and larger cells."""

_RIDGE = 1e-3


class GaussianTerm(FittedModule):
    """Distances of feature vectors from their normal distribution."""

    mean: Tensor
    whitening: Tensor
    cell_whitening: Tensor

    def __init__(self) -> None:
        super().__init__(("mean", "whitening", "cell_whitening"))
        self.setting: tuple[bool, float] | None = None

    def fit(self, vectors: Tensor) -> GaussianTerm:
        """Fits to the features `(N, C, g, g)` of normal images, N at least 2."""
        self.setting = self._choose(vectors)
        self._estimate(vectors, *self.setting)
        return self

    def fit_like(self, vectors: Tensor) -> GaussianTerm:
        """A new term fitted to other features with the setting that this one chose."""
        if self.setting is None:
            raise NotFittedError("fit the term before another is fitted like it")
        term = GaussianTerm()
        term.setting = self.setting
        term._estimate(vectors, *self.setting)
        return term

    def forward(self, vectors: Tensor) -> Tensor:
        """Features `(N, C, g, g)` to distances `(N, g, g)`, about 1 for a normal position."""
        self.require_fitted()
        cells = _to_cells(self._whiten(vectors), self._cells(vectors))  # (cells, N * r * r, C)
        if self.cell_whitening.numel():
            cells = cells @ self.cell_whitening.transpose(1, 2)
        distances = cells.square().mean(dim=2).sqrt()  # (cells, N * r * r)
        return _from_cells(distances, len(vectors), vectors.shape[-1], self._cells(vectors))

    @staticmethod
    def _cells(vectors: Tensor) -> int:
        channels, side = vectors.shape[1], vectors.shape[-1]
        affordable = max(1, math.isqrt(MAX_CELL_VALUES // channels**2))
        return max(cells for cells in range(1, min(MAX_CELLS, affordable) + 1) if side % cells == 0)

    def _whiten(self, vectors: Tensor) -> Tensor:
        return torch.einsum("dc,nchw->ndhw", self.whitening, vectors - self.mean)

    def _estimate(self, vectors: Tensor, per_position: bool, shrinkage: float) -> None:
        channels = vectors.shape[1]
        mean = vectors.mean(dim=0) if per_position else vectors.mean(dim=(0, 2, 3))[:, None, None]
        centred = (vectors - mean).permute(0, 2, 3, 1).reshape(-1, channels)  # (N * g * g, C)
        covariance = (centred.T @ centred).double() / len(centred)
        ridge = _RIDGE * covariance.diagonal().mean() + 1e-10
        covariance += ridge * torch.eye(channels, dtype=torch.float64, device=covariance.device)
        self.mean, self.whitening = mean, _whitening(covariance).float()
        self.cell_whitening = torch.empty(0, device=vectors.device)
        if shrinkage < 1.0:
            cells = _to_cells(self._whiten(vectors), self._cells(vectors))
            own = cells.transpose(1, 2) @ cells / cells.shape[1]  # (cells, C, C)
            identity = torch.eye(channels, device=own.device)
            self.cell_whitening = _whitening(shrinkage * identity + (1 - shrinkage) * own)

    def _choose(self, vectors: Tensor) -> tuple[bool, float]:
        """The setting under which the last fifth of the images is likeliest, given the others."""
        count = len(vectors)
        kept = max(2, count - max(1, count // 5))
        if kept == count:
            return False, 1.0
        settings = [(False, 1.0), *((True, shrinkage) for shrinkage in SHRINKAGES)]
        scores = []
        for per_position, shrinkage in settings:
            self._estimate(vectors[:kept], per_position, shrinkage)
            scores.append(self._log_likelihood(vectors[kept:]))
        return settings[scores.index(max(scores))]

    def _log_likelihood(self, vectors: Tensor) -> float:
        """Mean log density of a position, up to a constant shared by all settings."""
        channels = vectors.shape[1]
        log_volume = _log_diagonal(self.whitening)
        if self.cell_whitening.numel():
            log_volume = log_volume + _log_diagonal(self.cell_whitening).mean()
        return float(log_volume - 0.5 * channels * self(vectors).square().mean() - 0.5 * math.log(2 * math.pi))


def _whitening(covariance: Tensor) -> Tensor:
    """W with W Sigma W^T = 1, for one matrix or a stack: the inverse of the Cholesky factor."""
    factor = torch.linalg.cholesky(covariance)
    identity = torch.eye(factor.shape[-1], dtype=factor.dtype, device=factor.device).expand_as(factor)
    inverse: Tensor = torch.linalg.solve_triangular(factor, identity, upper=False)
    return inverse


def _log_diagonal(matrices: Tensor) -> Tensor:
    return matrices.diagonal(dim1=-2, dim2=-1).log().sum(dim=-1)


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
