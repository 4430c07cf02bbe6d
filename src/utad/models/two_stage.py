"""The two trained stages together: what an image should look like, before anything is measured."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from utad.models.expert_net import ExpertNet
from utad.models.ie_net import IENet

ImageName = Literal["image", "reconstruction", "impression", "naive_impression"]

ALL_IMAGES: tuple[ImageName, ...] = ("image", "reconstruction", "impression", "naive_impression")
"""x, x_hat, m and m_hat."""


@dataclass(frozen=True)
class Restoration:
    """The four images that Eq. 8 compares, `(N, C, S, S)` in [0, 1] each, and the latent mean.

    An image that nobody wanted is an empty tensor.

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

    def forward(self, images: Tensor, wanted: Collection[ImageName] = ALL_IMAGES) -> Restoration:
        """Images `(N, C, S, S)` in [0, 1] to the images compared.

        Args:
            images: x.
            wanted: the images somebody will look at; x_hat and m_hat are computed for them alone.
        """
        first = self.ie_net(images)
        impression = first.impression.contiguous()
        nothing = images.new_empty(0)
        return Restoration(
            image=images,
            reconstruction=self.reconstruct(images, impression) if "reconstruction" in wanted else nothing,
            impression=impression,
            naive_impression=self.naive(images, impression) if "naive_impression" in wanted else nothing,
            latent=first.mu,
        )

    def reconstruct(self, images: Tensor, impressions: Tensor) -> Tensor:
        """x_hat within [0, 1], of x and m, `(N, C, S, S)` each."""
        reconstruction = self.expert_net.reconstruct(impressions, self.expert_net.image_detail(images))
        return reconstruction.clamp(0.0, 1.0)

    def naive(self, images: Tensor, impressions: Tensor) -> Tensor:
        """m_hat within [0, 1], of x and m, `(N, C, S, S)` each."""
        return self.expert_net.naive(images, self.expert_net.impression_detail(impressions)).clamp(0.0, 1.0)
