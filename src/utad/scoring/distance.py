"""What a feature distance is: how far feature vectors are from the normal ones."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self

from torch import Tensor

from utad.scoring.feature_weighting import AnomalousVectors
from utad.scoring.fitted_module import FittedModule


class FeatureDistance(FittedModule, ABC):
    """Fitted to the feature vectors of normal images, `(N, C, g, g)`; gives distances `(N, g, g)`, at least 0."""

    @abstractmethod
    def unfitted(self) -> Self:
        """A new distance of the same settings, for another fold."""

    @abstractmethod
    def fit(self, vectors: Tensor, anomalous: AnomalousVectors | None = None, positions: Tensor | None = None) -> Self:
        """Fits to the features of normal images.

        Args:
            vectors: `(N, C, g, g)`, N at least 2.
            anomalous: vectors at synthetic anomalies.
            positions: bool `(g, g)`, those that are learnt from; None for all.
        """

    @abstractmethod
    def forward(self, vectors: Tensor) -> Tensor:
        """Features `(N, C, g, g)` to distances `(N, g, g)`, at least 0."""
