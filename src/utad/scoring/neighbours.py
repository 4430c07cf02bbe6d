"""The nearest-neighbour feature distance: to a coreset of normal features (PatchCore, Roth et al., 2022)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from utad.data.tile_places import TilePlaces
from utad.scoring.distance import FeatureDistance
from utad.scoring.feature_weighting import AnomalousVectors
from utad.seeding import generator_for

CANDIDATES = 16_384
"""Patches that the coreset is chosen from: bounds memory and time, however many images there are."""

_PROJECTION = 32


class NeighbourDistance(FeatureDistance):
    """Distances of patches, each averaged over its 3x3 neighbourhood, to the nearest normal one.

    Args:
        size: of the coreset, in patches.
        seed: draws the candidates and the projection.
    """

    bank: Tensor
    scale: Tensor

    def __init__(self, size: int, seed: int) -> None:
        super().__init__(("bank", "scale"))
        self.size = size
        self.seed = seed

    def fit(
        self,
        vectors: Tensor,
        anomalous: AnomalousVectors | None = None,  # noqa: ARG002
        positions: Tensor | None = None,
        places: TilePlaces | None = None,  # noqa: ARG002
    ) -> NeighbourDistance:
        """Fits to the features of normal images; neither synthetic anomalies nor places have a part in it.

        Args:
            vectors: `(N, C, g, g)`.
            anomalous: not used.
            positions: bool `(g, g)`, those that are learnt from; None for all.
            places: not used.
        """
        patches = _patches(vectors)
        if positions is not None:
            patches = patches[positions.flatten().repeat(len(vectors)).to(patches.device)]
        order = torch.randperm(len(patches), generator=generator_for(self.seed, "coreset/candidates"))
        candidates = patches[order[:CANDIDATES]]
        # A typical norm of a patch puts the distance on a scale that does not depend on the backbone.
        self.scale = (candidates - candidates.mean(dim=0)).square().sum(dim=1).mean().sqrt().clamp_min(1e-12)
        self.bank = candidates[select_coreset(candidates, self.size, self.seed)]
        return self

    def unfitted(self) -> NeighbourDistance:
        """A new distance of the same settings."""
        return NeighbourDistance(self.size, self.seed)

    def forward(self, vectors: Tensor, places: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """Features `(N, C, g, g)` to distances `(N, g, g)`, at least 0; places are not used."""
        self.require_fitted()
        nearest = nearest_distance(_patches(vectors), self.bank)
        return (nearest / self.scale).reshape(vectors.shape[0], *vectors.shape[2:])


def select_coreset(patches: Tensor, size: int, seed: int) -> Tensor:
    """Greedy k-centre selection: each time the patch farthest from those chosen (Sener and Savarese, 2018).

    Distances are taken in a random projection (Johnson-Lindenstrauss), as in PatchCore.

    Args:
        patches: `(P, C)`.
        size: patches to choose; all of them where there are no more.
        seed: of the projection.

    Returns:
        Indices, `(min(size, P),)` int64.
    """
    if len(patches) <= size:
        return torch.arange(len(patches))
    channels = patches.shape[1]
    projection = torch.randn(channels, min(_PROJECTION, channels), generator=generator_for(seed, "coreset/projection"))
    points = patches @ projection.to(patches)
    norms = points.square().sum(dim=1)
    chosen = torch.empty(size, dtype=torch.long)
    distances = torch.full((len(points),), torch.inf, device=points.device)
    current = 0
    for index in range(size):
        chosen[index] = current
        to_current = norms + norms[current] - 2.0 * (points @ points[current])
        distances = torch.minimum(distances, to_current)
        distances[current] = -torch.inf
        current = int(distances.argmax())
    return chosen


def nearest_distance(patches: Tensor, bank: Tensor) -> Tensor:
    """Euclidean distance of each patch `(P, C)` to the nearest of the bank `(B, C)`, `(P,)`; P x B values in memory."""
    to_bank = torch.addmm(bank.square().sum(dim=1), patches, bank.T, alpha=-2.0)  # (P, B), without the patches' norms
    nearest = to_bank.min(dim=1).values + patches.square().sum(dim=1)
    return nearest.clamp_min(0.0).sqrt()


def _patches(vectors: Tensor) -> Tensor:
    smoothed = functional.avg_pool2d(vectors, 3, stride=1, padding=1, count_include_pad=False)
    return smoothed.permute(0, 2, 3, 1).reshape(-1, vectors.shape[1])  # (N * g * g, C)
