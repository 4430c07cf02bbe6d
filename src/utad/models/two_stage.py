"""The two trained stages together: what an image should look like, before anything is measured."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Literal

from torch import Tensor, nn

from utad.models.expert_net import ExpertNet
from utad.models.ie_net import IENet

ImageName = Literal["image", "reconstruction", "impression", "naive_impression"]

ALL_IMAGES: tuple[ImageName, ...] = ("image", "reconstruction", "impression", "naive_impression")
"""x, x_hat, m and m_hat: the four images that Eq. 8 compares."""

RESTORED: tuple[ImageName, ...] = ("impression", "naive_impression", "reconstruction")
"""Those that the networks make."""

Images = Mapping[ImageName, Tensor]
"""Some of the four by name, `(N, C, S, S)` in [0, 1] each."""

FeatureName = Literal[ImageName, "feature_impression"]
"""Whose features are compared: of an image, or restored ones that are of no image."""

Features = Mapping[FeatureName, Tensor]
"""The features of one stage of a backbone by name, `(N, C_l, H_l, W_l)` each."""

PAIRS: Mapping[str, tuple[ImageName, ImageName]] = MappingProxyType(
    {
        "x - x_hat": ("image", "reconstruction"),
        "m - m_hat": ("impression", "naive_impression"),
        "x - m": ("image", "impression"),
        "x - m_hat": ("image", "naive_impression"),
    }
)
"""What can be compared, as the config names it. Eq. 8 takes the first three; the last stands in Table 3 alone."""


class TwoStage(nn.Module):
    """IE-Net, then Expert-Net."""

    def __init__(self, ie_net: IENet, expert_net: ExpertNet) -> None:
        super().__init__()
        self.ie_net = ie_net
        self.expert_net = expert_net

    def forward(self, images: Tensor, wanted: Collection[ImageName] = ALL_IMAGES) -> dict[ImageName, Tensor]:
        """Images x `(N, C, S, S)` in [0, 1] to the images compared.

        Args:
            images: x.
            wanted: x_hat and m_hat are computed only if they are among these, and m only if any of the three is; x is
                always there.
        """
        if not set(wanted) & set(RESTORED):
            return {"image": images}
        impression = self.ie_net(images).impression.contiguous()
        return {"image": images, "impression": impression, **self.restored(images, impression, wanted)}

    def restored(self, images: Tensor, impressions: Tensor, wanted: Collection[ImageName]) -> dict[ImageName, Tensor]:
        """Of x_hat and m_hat those that are wanted, within [0, 1], from x and m, `(N, C, S, S)` each."""
        expert, found = self.expert_net, dict[ImageName, Tensor]()
        if "reconstruction" in wanted:
            found["reconstruction"] = expert.reconstruct(impressions, expert.image_detail(images)).clamp(0.0, 1.0)
        if "naive_impression" in wanted:
            found["naive_impression"] = expert.naive(images, expert.impression_detail(impressions)).clamp(0.0, 1.0)
        return found
