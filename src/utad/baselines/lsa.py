"""LSA, latent space autoregression (Abati et al., CVPR 2019).

An auto-encoder with a code in [0, 1] and an estimator of the code's density, trained together. The estimator predicts
each number of the code, in one of 100 bins, from those before it, by masked fully connected layers. Novel is what is
restored badly or has an unlikely code: the image's score is the sum of both, each scaled to [0, 1] on normal images.
The map is the squared residual, which alone says where.

lambda 1, code 64, 100 bins and 32 channels of the estimator as in the source; its auto-encoder is that of Bergmann et
al. (2018); 1500 steps of 16 images. The residual is summed over pixels, as the logarithm of a density is.
"""

from __future__ import annotations

from typing import Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional

from utad.baselines.baseline import Baseline, Scores, Shared
from utad.baselines.blocks import ConvDecoder, ConvEncoder
from utad.baselines.features import smooth
from utad.baselines.fitting import fit_steps
from utad.errors import NotFittedError

BINS = 100


class MaskedLinear(nn.Module):
    """A linear layer over D places of several channels whose outputs see the places before theirs.

    Args:
        places: D.
        channels_in: of each place.
        channels_out: of each place.
        own: whether a place sees itself too; the first layer must not.
    """

    def __init__(self, places: int, channels_in: int, channels_out: int, *, own: bool) -> None:
        super().__init__()
        self.linear = nn.Linear(places * channels_in, places * channels_out)
        allowed = torch.ones(places, places).tril(0 if own else -1)  # output, input
        self.mask: Tensor
        self.register_buffer("mask", torch.kron(allowed, torch.ones(channels_out, channels_in)))
        self.places = places

    def forward(self, values: Tensor) -> Tensor:
        """`(N, D, channels_in)` to `(N, D, channels_out)`."""
        out = functional.linear(values.flatten(1), self.linear.weight * self.mask, self.linear.bias)
        return out.reshape(len(values), self.places, -1)


class DensityEstimator(nn.Module):
    """p(z) = product over i of p(z_i | z_1 ... z_(i-1)), each a histogram of `bins`."""

    def __init__(self, places: int, *, hidden: int = 32, layers: int = 3, bins: int = BINS) -> None:
        super().__init__()
        widths = [1, *[hidden] * layers]
        parts: list[nn.Module] = []
        for level in range(layers):
            parts += [MaskedLinear(places, widths[level], widths[level + 1], own=level > 0), nn.LeakyReLU()]
        self.layers = nn.Sequential(*parts, MaskedLinear(places, hidden, bins, own=True))
        self.bins = bins

    def forward(self, codes: Tensor) -> Tensor:
        """Log-probabilities of the bins, `(N, D, bins)`, of codes `(N, D)` in [0, 1]."""
        return functional.log_softmax(self.layers(codes[:, :, None]), dim=2)

    def negative_log_likelihood(self, codes: Tensor) -> Tensor:
        """-log p(z), `(N,)`; the bin of each number is no function of it, its conditions are."""
        bins = (codes.detach() * self.bins).long().clamp(0, self.bins - 1)
        log_probabilities: Tensor = self(codes)
        return -log_probabilities.gather(2, bins[:, :, None]).squeeze(2).sum(dim=1)


class LSA(Baseline):
    """Reconstruction and the density of the code.

    Args:
        latent_dim: size of the code.
        width: channels of the first layer.
        steps: of training.
        batch_size: images a step.
        learning_rate: of Adam.
        weight: lambda, of the density.
        shared: as for every baseline.
    """

    name = "lsa"

    def __init__(
        self,
        *,
        latent_dim: int = 64,
        width: int = 32,
        steps: int = 1500,
        batch_size: int = 16,
        learning_rate: float = 1e-3,
        weight: float = 1.0,
        **shared: Unpack[Shared],
    ) -> None:
        super().__init__(**shared)
        self.latent_dim = latent_dim
        self.width = width
        self.steps = steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight = weight

    def learn(self, images: Tensor) -> None:
        """Trains auto-encoder and estimator, then scales both scores on the same images."""
        channels = images.shape[1]
        self.encoder_ = nn.Sequential(ConvEncoder(channels, self.size, self.latent_dim, width=self.width), nn.Sigmoid())
        self.decoder_ = ConvDecoder(channels, self.size, self.latent_dim, width=self.width)
        self.estimator_ = DensityEstimator(self.latent_dim)
        self.losses_ = fit_steps(
            [*self.encoder_.parameters(), *self.decoder_.parameters(), *self.estimator_.parameters()],
            images,
            self._loss,
            name=self.name,
            steps=self.steps,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
        )
        for network in (self.encoder_, self.decoder_, self.estimator_):
            network.eval().requires_grad_(requires_grad=False)
        parts = [self._both(batch) for batch in torch.split(images, 16)]
        self.ranges_ = [
            (float(values.min()), float(values.max()))
            for values in (torch.cat([part[index] for part in parts]) for index in (0, 1))
        ]

    def score(self, images: Tensor) -> Scores:
        """Novelty: scaled residual plus scaled surprise."""
        if not hasattr(self, "ranges_"):
            raise NotFittedError(f"{self.name} is used before it was fitted")
        maps: Tensor = (images - self.decoder_(self.encoder_(images))).square().sum(dim=1)
        return Scores(novelty(*self._both(images), *self.ranges_), smooth(maps, 1.0))

    def _loss(self, images: Tensor) -> Tensor:
        residual, surprise = self._both(images)
        return (residual + self.weight * surprise).mean()

    def _both(self, images: Tensor) -> tuple[Tensor, Tensor]:
        codes = self.encoder_(images)
        residual: Tensor = (images - self.decoder_(codes)).square().flatten(1).sum(dim=1)
        return residual, self.estimator_.negative_log_likelihood(codes)


def novelty(
    residual: Tensor, surprise: Tensor, residual_range: tuple[float, float], surprise_range: tuple[float, float]
) -> Tensor:
    """Sum of both scores `(N,)`, each scaled so that its range on normal images, least and greatest, is [0, 1]."""
    scaled = [
        (values - low) / max(high - low, 1e-12)
        for values, (low, high) in ((residual, residual_range), (surprise, surprise_range))
    ]
    return scaled[0] + scaled[1]
