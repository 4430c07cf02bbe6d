"""The feature impression, trained when both stages are: to give the features that the normal image would have."""

from __future__ import annotations

import torch
from torch import Tensor

from utad.config import FeatureTrainingConfig
from utad.models.feature_impression import FeatureImpression
from utad.seeding import generator_for
from utad.training.stage import Stage


class FeatureStage(Stage):
    """Trains the feature impression; half of each batch has synthetic anomalies.

    Args:
        network: whose scale is fitted.
        normal: features of normal images, `(K, C, g, g)`.
        anomalous: of the same images with a synthetic anomaly each.
        name: of the stage.
        settings: length, batch size and optimiser.
        seed: of the run.
        positions: bool `(g, g)`, those that are learnt from; None for all.
    """

    def __init__(
        self,
        network: FeatureImpression,
        *,
        normal: Tensor,
        anomalous: Tensor,
        name: str,
        settings: FeatureTrainingConfig,
        seed: int,
        positions: Tensor | None = None,
    ) -> None:
        super().__init__(name, normal, None, settings, settings.total_steps(len(normal)), seed)
        self.network = network
        self._anomalous = anomalous
        self._positions = positions

    def training_step(self, normal: Tensor, batch_index: int) -> Tensor:
        """The loss of one batch of features of normal images, `(N, C, g, g)`."""
        del batch_index
        generator = generator_for(self.seed, f"{self.name}/anomalies/{self.global_rank}", self.global_step)
        chosen = torch.randint(0, len(self._anomalous), (len(normal) // 2,), generator=generator)
        kept = normal[len(chosen) :]
        features = torch.cat([kept, self._anomalous[chosen].to(normal)]).float()
        targets = torch.cat([kept, self._images[chosen].to(normal)]).float()
        restored = self.network.restore(self.network.standardise(features)).float()
        differences = restored - self.network.standardise(targets)
        error = (differences if self._positions is None else differences[..., self._positions]).square().mean()
        return self.weighted_sum({"restoration": error}, {"restoration": 1.0}, {})
