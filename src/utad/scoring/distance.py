"""What a feature distance is: how far feature vectors are from the normal ones."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self

from torch import Tensor

from utad.data.tile_places import TilePlaces
from utad.scoring.feature_weighting import AnomalousVectors
from utad.scoring.fitted_module import FittedModule


class FeatureDistance(FittedModule, ABC):
    """Fitted to the feature vectors of normal images, `(N, C, g, g)`; gives distances `(N, g, g)`, at least 0."""

    @abstractmethod
    def unfitted(self) -> Self:
        """A new distance of the same settings, for another fold."""

    @abstractmethod
    def fit(
        self,
        vectors: Tensor,
        anomalous: AnomalousVectors | None = None,
        positions: Tensor | None = None,
        places: TilePlaces | None = None,
    ) -> Self:
        """Fits to the features of normal images.

        Args:
            vectors: `(N, C, g, g)`, N at least 2.
            anomalous: vectors at synthetic anomalies.
            positions: bool `(g, g)`, those that are learnt from; None for all.
            places: of the N images, where they are tiles whose places have statistics of their own; None for others.
        """

    @abstractmethod
    def forward(self, vectors: Tensor, places: Tensor | None = None) -> Tensor:
        """Features `(N, C, g, g)` to distances `(N, g, g)`, at least 0.

        Args:
            vectors: of N images.
            places: of each, `(N,)` int64, the number of places where it is not known; None for images that have none.
        """
