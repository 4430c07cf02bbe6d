"""The critic T of the mutual information: does this latent belong to this feature map?

Both give logits; the sigmoid that the paper puts at the end is part of the objective
(`utad.objectives.mutual_information`), where its logarithm is taken without overflow.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class GlobalCritic(nn.Module):
    """T on the pooled feature map: a four-layer MLP.

    Args:
        latent_dim: size of z.
        feature_channels: channels of the feature map.
        hidden_dim: width of the three hidden layers.
    """

    def __init__(self, latent_dim: int, feature_channels: int, hidden_dim: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(latent_dim + feature_channels, hidden_dim),
            nn.LeakyReLU(0.1),
            nn.Linear(hidden_dim, hidden_dim),
            nn.LeakyReLU(0.1),
            nn.Linear(hidden_dim, hidden_dim),
            nn.LeakyReLU(0.1),
            nn.Linear(hidden_dim, 1),
        )

    def forward(self, latent: Tensor, feature_map: Tensor) -> Tensor:
        """Z `(N, latent_dim)` and feature map `(N, F, h, w)` to logits `(N, 1)`."""
        logits: Tensor = self.layers(torch.cat([latent, feature_map.mean(dim=(2, 3))], dim=1))
        return logits


class LocalCritic(nn.Module):
    """T at every position of the feature map: the same MLP as 1x1 convolutions."""

    def __init__(self, latent_dim: int, feature_channels: int, hidden_dim: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(latent_dim + feature_channels, hidden_dim, 1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(hidden_dim, hidden_dim, 1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(hidden_dim, hidden_dim, 1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(hidden_dim, 1, 1),
        )

    def forward(self, latent: Tensor, feature_map: Tensor) -> Tensor:
        """Z `(N, latent_dim)` and feature map `(N, F, h, w)` to logits `(N, 1, h, w)`."""
        everywhere = latent[:, :, None, None].expand(-1, -1, *feature_map.shape[2:])  # (N, latent_dim, h, w)
        logits: Tensor = self.layers(torch.cat([everywhere, feature_map], dim=1))
        return logits
