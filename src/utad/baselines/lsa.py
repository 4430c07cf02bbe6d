"""LSA, latent space autoregression (Abati et al., CVPR 2019).

An auto-encoder with a code in [0, 1] and an estimator of the code's density, trained together. The estimator predicts
each number of the code, in one of 100 bins, from those before it, by masked fully connected layers. Novel is what is
restored badly or has an unlikely code: the image's score is the sum of both, each scaled so that its range on normal
images that trained no network is [0, 1]. The map is the squared residual, which alone says where.

The source takes these ranges from a tenth of its training set that it does not train on. So they are here: from a
tenth of the images given to `learn`, as in UnSt and EfficientAD. The share that `held_out` keeps from all networks
stays out of it, so that the threshold rests on scores that nothing of them went into.

lambda 1, code 64, 100 bins and four layers of 32 channels in the estimator as in the source. The residual is summed
over pixels, as the logarithm of a density is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from utad.baselines.baseline import Scores, in_batches
from utad.baselines.blocks import ConvDecoder, ConvEncoder
from utad.baselines.departures import NOT_STATED, Departures
from utad.baselines.features import smooth
from utad.baselines.fitting import TrainedBaseline, hold_back

BINS = 100


class MaskedLinear(nn.Module):
    """A linear layer over D positions of several channels whose outputs see the positions before theirs.

    Args:
        positions: D.
        channels_in: of each position.
        channels_out: of each position.
        own: whether a position sees itself too; the first layer must not.
    """

    def __init__(self, positions: int, channels_in: int, channels_out: int, *, own: bool) -> None:
        super().__init__()
        self.linear = nn.Linear(positions * channels_in, positions * channels_out)
        allowed = torch.ones(positions, positions).tril(0 if own else -1)  # output, input
        self.mask: Tensor
        self.register_buffer("mask", torch.kron(allowed, torch.ones(channels_out, channels_in)))
        self.positions = positions

    def forward(self, values: Tensor) -> Tensor:
        """`(N, D, channels_in)` to `(N, D, channels_out)`."""
        out = functional.linear(values.flatten(1), self.linear.weight * self.mask, self.linear.bias)
        return out.reshape(len(values), self.positions, -1)


class DensityEstimator(nn.Module):
    """p(z) = product over i of p(z_i | z_1 ... z_(i-1)), each a histogram of `bins`."""

    def __init__(self, positions: int, *, hidden: int = 32, layers: int = 4, bins: int = BINS) -> None:
        super().__init__()
        parts: list[nn.Module] = [MaskedLinear(positions, 1, hidden, own=False), nn.LeakyReLU()]
        for _ in range(layers - 1):
            parts += [MaskedLinear(positions, hidden, hidden, own=True), nn.LeakyReLU()]
        self.layers = nn.Sequential(*parts, MaskedLinear(positions, hidden, bins, own=True))
        self.bins = bins

    def forward(self, codes: Tensor) -> Tensor:
        """Log-probabilities of the bins, `(N, D, bins)`, of codes `(N, D)` in [0, 1]."""
        return functional.log_softmax(self.layers(codes[:, :, None]), dim=2)

    def negative_log_likelihood(self, codes: Tensor) -> Tensor:
        """-log p(z), `(N,)`; the bin of each number is no function of it, its conditions are."""
        bins = (codes.detach() * self.bins).long().clamp(0, self.bins - 1)
        log_probabilities: Tensor = self(codes)
        return -log_probabilities.gather(2, bins[:, :, None]).squeeze(2).sum(dim=1)


@dataclass(kw_only=True, eq=False)
class LSA(TrainedBaseline):
    """Reconstruction and the density of the code.

    Args:
        latent_dim: size of the code.
        width: channels of the first layer.
        weight: lambda, of the density.
    """

    name = "lsa"
    departs: ClassVar[Departures] = Departures(
        source="Abati et al., CVPR 2019",
        changes=(
            "the auto-encoder of Bergmann et al. instead of one with residual blocks",
            "the map, of which the source has none for images, is smoothed by a Gaussian of sigma 1",
        ),
        source_steps=NOT_STATED,
    )

    latent_dim: int = 64
    width: int = 32
    learning_rate: float = 1e-3
    weight: float = 1.0

    def learn(self, images: Tensor) -> None:
        """Trains auto-encoder and estimator, then takes the ranges of both scores from images held back from them."""
        training, validation = hold_back(images)
        channels = images.shape[1]
        self.encoder_ = nn.Sequential(ConvEncoder(channels, self.size, self.latent_dim, width=self.width), nn.Sigmoid())
        self.decoder_ = ConvDecoder(channels, self.size, self.latent_dim, width=self.width)
        self.estimator_ = DensityEstimator(self.latent_dim)
        self.losses_ = self.train([self.encoder_, self.decoder_, self.estimator_], training, self._loss)
        self.ranges_ = [(float(values.min()), float(values.max())) for values in in_batches(self._both, validation)]

    def score(self, images: Tensor) -> Scores:
        """Novelty: scaled residual plus scaled surprise."""
        self.check_fitted()
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
    return _scaled(residual, *residual_range) + _scaled(surprise, *surprise_range)


def _scaled(values: Tensor, low: float, high: float) -> Tensor:
    return (values - low) / max(high - low, 1e-12)
