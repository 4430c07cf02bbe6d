"""Stage 2: Expert-Net on the impressions of the frozen IE-Net, trained on Eq. 7."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor

from utad.config import AugmentConfig, ExpertTrainingConfig
from utad.data.working_region import WorkingRegion
from utad.models.expert_net import ExpertNet
from utad.models.ie_net import IENet
from utad.objectives.reconstruction import expert_losses
from utad.seeding import generator_for
from utad.training.stage import Stage


class ExpertStage(Stage):
    """Trains Expert-Net; IE-Net only makes the impressions."""

    shows = "reconstruction"

    def __init__(
        self,
        ie_net: IENet,
        expert_net: ExpertNet,
        *,
        images: Tensor,
        augmentation: AugmentConfig,
        settings: ExpertTrainingConfig,
        seed: int,
        region: WorkingRegion | None = None,
    ) -> None:
        steps = settings.total_steps(len(images))
        super().__init__("expert_net", images, augmentation, settings, steps, seed, region)
        self.ie_net = ie_net.requires_grad_(requires_grad=False)
        self.expert_net = expert_net
        self.anomalous = settings.anomalous
        self.weights = settings.weights.model_dump()

    def train(self, mode: bool = True) -> Self:
        """IE-Net stays in evaluation mode: its batch statistics are frozen with it."""
        super().train(mode)
        self.ie_net.eval()
        return self

    def restored(self, images: Tensor) -> Tensor:
        """The reconstructions of images `(N, C, S, S)`."""
        reconstruction: Tensor = self.expert_net(images, self.ie_net(images).impression).reconstruction
        return reconstruction

    def training_step(self, images: Tensor, batch_index: int) -> Tensor:
        """The loss of one batch `(N, C, S, S)`."""
        del batch_index
        anomalous = int(self.anomalous * len(images))
        with torch.no_grad():
            seen = self.with_anomalies(images, anomalous).images
            impressions = self.ie_net(seen).impression.float().contiguous()
        generator = generator_for(self.seed, f"expert_net/detail/{self.global_rank}", self.global_step)
        # What is wrong in x is to stay in m_hat, where it differs from m: that way is learned from normal images.
        output = self.expert_net(seen, impressions, generator, naive_from=anomalous)
        detail = output.image_detail.float()
        # Without guidance there is no E_S to restore the detail with: the term is absent (Table 2).
        restored = (
            self.expert_net.restored_detail(output.reconstruction).float() if self.expert_net.guidance else detail
        )
        terms = expert_losses(
            reconstruction=output.reconstruction.float(),
            image=images,
            naive_impression=output.naive_impression.float(),
            impression=impressions[anomalous:],
            restored_detail=restored,
            detail=detail,
        )
        return self.weighted_sum(terms, self.weights, {"detail_std": detail.detach().std(dim=0, correction=0).mean()})
