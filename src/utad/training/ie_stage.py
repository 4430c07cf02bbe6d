"""Stage 1: IE-Net and its critics, trained on Eq. 6."""

from __future__ import annotations

from torch import Tensor

from utad.config import AugmentConfig, IETrainingConfig
from utad.data.working_region import WorkingRegion
from utad.models.critics import GlobalCritic, LocalCritic
from utad.models.ie_net import IENet
from utad.objectives.mutual_information import jensen_shannon_loss, mismatch, prior_divergence, sample_latent
from utad.objectives.reconstruction import impression_loss, restoration_loss
from utad.training.stage import Stage


class IEStage(Stage):
    """Trains E_M, D_M, the latent head and both critics together."""

    shows = "impression"

    def __init__(
        self,
        ie_net: IENet,
        critics: tuple[GlobalCritic, LocalCritic],
        *,
        images: Tensor,
        augmentation: AugmentConfig,
        settings: IETrainingConfig,
        seed: int,
        region: WorkingRegion | None = None,
    ) -> None:
        steps = settings.total_steps(len(images))
        super().__init__("ie_net", images, augmentation, settings, steps, seed, region)
        self.ie_net = ie_net
        self.global_critic, self.local_critic = critics
        self.anomalous = settings.anomalous
        self.weights = settings.weights.model_dump()

    def restored(self, images: Tensor) -> Tensor:
        """The impressions of images `(N, C, S, S)`."""
        impression: Tensor = self.ie_net(images).impression
        return impression

    def training_step(self, images: Tensor, batch_index: int) -> Tensor:
        """The loss of one batch `(N, C, S, S)`."""
        del batch_index
        seen = self.with_anomalies(images, int(self.anomalous * len(images)))
        output = self.ie_net(seen.images)
        mu, log_var = output.mu.float(), output.log_var.float()
        latent = sample_latent(mu, log_var, self.noise(mu, "ie_net/latent"))
        features = output.feature_map
        terms = {"reconstruction": impression_loss(output.impression.float(), images)}
        if bool(seen.mask.any()):
            terms["restoration"] = restoration_loss(output.impression.float(), images, seen.mask)
        for name, critic in (
            ("local_information", self.local_critic),
            ("global_information", self.global_critic),
        ):
            if self.weights[name] > 0:
                terms[name] = jensen_shannon_loss(
                    critic(latent, features).float(), critic(latent, mismatch(features)).float()
                )
        terms["prior"] = prior_divergence(mu, log_var)
        watched = {
            "mu_std": mu.detach().std(dim=0, correction=0).mean(),
            "sigma_mean": log_var.detach().mul(0.5).exp().mean(),
        }
        return self.weighted_sum(terms, self.weights, watched)
