"""The pretrained features of the density methods: UTAD's own backbone and stages, so that methods are compared."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.transforms.functional import gaussian_blur

from utad.config import BackboneConfig
from utad.models.backbones import build_backbone

STAGES = (1, 2, 3)


class FrozenFeatures(nn.Module):
    """Stages of EfficientNet-Lite0, joined at the resolution of the middle one.

    The stages are those that UTAD compares; the first of the three, at double resolution, is averaged down.
    """

    def __init__(self) -> None:
        super().__init__()
        self.backbone = build_backbone(BackboneConfig(stages=STAGES))
        self.channels = sum(self.backbone.channels)

    def forward(self, images: Tensor) -> Tensor:
        """Images `(N, C, S, S)` in [0, 1] to features `(N, 176, S / 8, S / 8)`."""
        maps = self.backbone(images)
        side = maps[1].shape[-1]
        return torch.cat(
            [
                functional.adaptive_avg_pool2d(stage, side)
                if stage.shape[-1] > side
                else functional.interpolate(stage, size=(side, side), mode="bilinear", align_corners=False)
                for stage in maps
            ],
            dim=1,
        )


def smooth(maps: Tensor, sigma: float) -> Tensor:
    """Maps `(N, S, S)` blurred by a Gaussian that reaches to 4 sigma."""
    kernel = 2 * round(4 * sigma) + 1
    blurred: Tensor = gaussian_blur(maps[:, None], [kernel, kernel], [sigma, sigma])[:, 0]
    return blurred
