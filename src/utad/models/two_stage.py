"""The two trained stages together: what an image should look like, before anything is measured."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from utad.models.expert_net import ExpertNet
from utad.models.ie_net import IENet


@dataclass(frozen=True)
class Restoration:
    """The four images that Eq. 8 compares, `(N, C, S, S)` in [0, 1] each, and the latent mean.

    Attributes:
        image: x.
        reconstruction: x_hat.
        impression: m.
        naive_impression: m_hat.
        latent: mu of IE-Net, `(N, latent_dim)`.
    """

    image: Tensor
    reconstruction: Tensor
    impression: Tensor
    naive_impression: Tensor
    latent: Tensor


class TwoStage(nn.Module):
    """IE-Net, then Expert-Net."""

    def __init__(self, ie_net: IENet, expert_net: ExpertNet) -> None:
        super().__init__()
        self.ie_net = ie_net
        self.expert_net = expert_net

    def forward(self, images: Tensor) -> Restoration:
        """Images `(N, C, S, S)` in [0, 1] to the four images compared."""
        first = self.ie_net(images)
        impression = first.impression.contiguous()
        second = self.expert_net(images, impression)
        return Restoration(
            image=images,
            reconstruction=second.reconstruction.clamp(0.0, 1.0),
            impression=impression,
            naive_impression=second.naive_impression.clamp(0.0, 1.0),
            latent=first.mu,
        )
