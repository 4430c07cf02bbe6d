"""CapsNet (Li et al., "Exploring Deep Anomaly Detection Methods Based on Capsule Net", Canadian AI 2020).

The capsule network of Sabour et al. (2017) learns to tell the classes of the normal images apart. A capsule is
a vector: its length says how sure the network is that the class is there, its direction how the class looks. The
primary capsules each vote for every class capsule; in three rounds of routing by agreement a vote counts the more the
better it agrees with what the others say. A decoder restores the image from one class capsule, the others being
masked: that of the image's own class in training, the longest at test. The loss is the margin loss on the lengths plus
0.0005 times the sum of squared errors of the decoder.

Both scores of the source are there. RE is |x - x_hat|^2 / |x|^2, PP minus the length of the longest capsule. The map is
each pixel's part of RE, of which PP has no counterpart.

Layers, sizes of capsules, rounds, margins and weights are the source's. The gradient takes the couplings of the routing
as constants: it passes through the votes of the last round alone. Learning rate and batch are chosen here.

The source makes one class anomalous and trains on all others with their labels. The normal images here are of one class
and carry no labels. One capsule for all would have nothing to route between, and its length would be trained to 0.9 for
every image. So the images are divided by k-means over their pixels, and each cluster is a class of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple, get_args

import torch
from sklearn.cluster import KMeans
from torch import Tensor, nn
from torch.nn import functional

from utad.baselines.baseline import Scores
from utad.baselines.departures import NOT_STATED, Departures
from utad.baselines.fitting import TrainedBaseline
from utad.errors import ConfigError
from utad.scoring.perceptual import upsample
from utad.seeding import derived_seed

Score = Literal["re", "pp"]
"""By what is restored badly, or by the length of the longest capsule."""

PRIMARY_VALUES, CLASS_VALUES = 8, 16
"""Numbers in a primary capsule and in a class capsule."""

KERNEL = 9
HIDDEN = (512, 1024)
"""Units of the decoder."""

PRESENT, ABSENT, ABSENT_WEIGHT = 0.9, 0.1, 0.5
"""Of the margin loss: m+, m- and lambda."""

RECONSTRUCTION_WEIGHT = 0.0005
_LEAST_ENERGY = 1e-6


class Routed(NamedTuple):
    """What routing gives for N images, P votes and K class capsules.

    Attributes:
        capsules: `(N, K, D)`, shorter than 1.
        couplings: what share of a primary capsule goes to each class capsule, `(N, P, K)`; they add up to 1 over K.
    """

    capsules: Tensor
    couplings: Tensor


class CapsuleNetwork(nn.Module):
    """A convolution, primary capsules, class capsules, and the decoder that restores from one of these.

    Args:
        channels: of the images.
        side: of the images, at least 17.
        classes: K.
        width: channels of the convolution and of the primary capsules together, a multiple of 8.
        iterations: rounds of routing.
    """

    def __init__(self, channels: int, side: int, classes: int, *, width: int, iterations: int) -> None:
        super().__init__()
        grid = (side - 2 * KERNEL + 1) // 2 + 1
        votes = grid * grid * width // PRIMARY_VALUES
        self.convolution = nn.Conv2d(channels, width, KERNEL)
        self.primary = nn.Conv2d(width, width, KERNEL, stride=2)
        self.transform = nn.Parameter(0.1 * torch.randn(votes, PRIMARY_VALUES, classes * CLASS_VALUES))
        layers: list[nn.Module] = []
        before = classes * CLASS_VALUES
        for after in HIDDEN:
            layers += [nn.Linear(before, after), nn.ReLU()]
            before = after
        pixels = nn.Unflatten(1, (channels, side, side))
        self.decoder = nn.Sequential(*layers, nn.Linear(before, channels * side * side), nn.Sigmoid(), pixels)
        self.classes = classes
        self.iterations = iterations

    def forward(self, images: Tensor) -> Tensor:
        """Images `(N, C, side, side)` to class capsules `(N, K, 16)`."""
        features = self.primary(torch.relu(self.convolution(images)))
        count, _, *grid = features.shape
        grouped = features.reshape(count, -1, PRIMARY_VALUES, *grid)  # (N, width / 8, 8, g, g)
        primary = squash(grouped.movedim(2, -1).flatten(1, 3))  # (N, P, 8)
        votes = torch.bmm(primary.transpose(0, 1), self.transform).transpose(0, 1)  # (N, P, K * 16)
        return route(votes.reshape(count, -1, self.classes, CLASS_VALUES), self.iterations).capsules

    def restore(self, capsules: Tensor, chosen: Tensor) -> Tensor:
        """Images `(N, C, side, side)` in [0, 1] from one capsule each.

        Args:
            capsules: `(N, K, 16)`.
            chosen: the one that is not masked, `(N,)` int64.
        """
        shown = functional.one_hot(chosen, self.classes).to(capsules.dtype)
        images: Tensor = self.decoder((capsules * shown[:, :, None]).flatten(1))
        return images


@dataclass(kw_only=True, eq=False)
class CapsNet(TrainedBaseline):
    """A capsule network that tells the clusters of the normal images apart and restores them.

    Args:
        scored_by: `re` or `pp`; see the head of this file.
        pseudo_classes: clusters of the normal images at most, a class capsule each; 1 for one capsule for all, which
            `re` alone can do with.
        side: that images are resized to; 28 in the source.
        width: channels of both convolutions, a multiple of 8; 256 in the source.
        iterations: rounds of routing; 3 in the source.

    Raises:
        ConfigError: naming the setting that is wrong.
    """

    name = "capsnet"
    departs: ClassVar[Departures] = Departures(
        source="Li et al., Canadian AI 2020",
        changes=(
            "one normal class without labels instead of several with them: up to {pseudo_classes} clusters of k-means "
            "over the pixels stand for the classes; the source's protocol, one class anomalous and the others the "
            "labelled normal ones, needs labels of normal images, which no data set here hands on",
            "scored by {scored_by}, of the source's two scores re and pp",
            "images of any size are resized to {side} pixels, and the map back",
        ),
        source_steps=NOT_STATED,
    )

    scored_by: Score = "re"
    pseudo_classes: int = 9
    side: int = 28
    width: int = 256
    iterations: int = 3
    steps: int = 600
    learning_rate: float = 1e-3

    def __post_init__(self) -> None:
        if self.scored_by not in get_args(Score):
            raise ConfigError(f"got scored_by {self.scored_by!r}, expected one of {', '.join(get_args(Score))}")
        for setting, value, least in (("side", self.side, 2 * KERNEL - 1), ("iterations", self.iterations, 1)):
            if value < least:
                raise ConfigError(f"got {setting} {value}, expected {least} or more")
        least = 1 if self.scored_by == "re" else 2
        if self.pseudo_classes < least:
            raise ConfigError(
                f"got pseudo_classes {self.pseudo_classes}, expected {least} or more for {self.scored_by}"
            )
        if self.width < PRIMARY_VALUES or self.width % PRIMARY_VALUES:
            raise ConfigError(f"got width {self.width}, expected a multiple of {PRIMARY_VALUES}")

    def learn(self, images: Tensor) -> None:
        """Divides the images into clusters and trains the network on them."""
        small = self._resized(images)
        labels = clusters(small, self.pseudo_classes, seed=derived_seed(self.seed, "baseline/capsnet/clusters"))
        self.network_ = CapsuleNetwork(
            small.shape[1], self.side, int(labels.max()) + 1, width=self.width, iterations=self.iterations
        )
        self.losses_ = self.train(
            [self.network_], torch.arange(len(small)), lambda chosen: self._loss(small[chosen], labels[chosen])
        )

    def score(self, images: Tensor) -> Scores:
        """RE or PP, and the pixels' parts of RE."""
        self.check_fitted()
        small = self._resized(images)
        capsules = self.network_(small)
        lengths = capsules.norm(dim=2)
        maps = relative_error(small, self.network_.restore(capsules, lengths.argmax(dim=1)))
        scores = maps.sum(dim=(1, 2)) if self.scored_by == "re" else -lengths.amax(dim=1)
        return Scores(scores, upsample(maps, self.size))

    def _resized(self, images: Tensor) -> Tensor:
        return functional.interpolate(
            images, size=(self.side, self.side), mode="bilinear", align_corners=False, antialias=True
        )

    def _loss(self, images: Tensor, labels: Tensor) -> Tensor:
        capsules = self.network_(images)
        squared = (images - self.network_.restore(capsules, labels)).square().flatten(1).sum(dim=1)
        return (margin_loss(capsules.norm(dim=2), labels) + RECONSTRUCTION_WEIGHT * squared).mean()


def squash(vectors: Tensor) -> Tensor:
    """The direction of s and a length below 1, s |s| / (1 + |s|^2). Vectors `(..., D)` to the same."""
    lengths: Tensor = vectors.norm(dim=-1, keepdim=True)
    return vectors * (lengths / (1 + lengths.square()))


def route(votes: Tensor, iterations: int) -> Routed:
    """Routing by agreement (Sabour et al., 2017).

    A round takes the couplings of a primary capsule from the softmax of its logits over the class capsules, the class
    capsules from the squashed sums of votes, and adds the product of vote and class capsule to the logit. The logits
    start at 0. No gradient passes through the couplings.

    Args:
        votes: what each primary capsule says of each class capsule, `(N, P, K, D)`.
        iterations: rounds, at least 1.
    """
    fixed = votes.detach()
    logits = fixed.new_zeros(fixed.shape[:3])
    for _ in range(iterations - 1):
        agreement = torch.einsum("npkd,nkd->npk", fixed, _gathered(fixed, logits.softmax(dim=2)))
        logits = logits + agreement
    couplings = logits.softmax(dim=2)
    return Routed(_gathered(votes, couplings), couplings)


def margin_loss(lengths: Tensor, labels: Tensor) -> Tensor:
    """max(0, 0.9 - |v_k|)^2 for the image's class, 0.5 max(0, |v_k| - 0.1)^2 for each other, added up.

    Args:
        lengths: of the class capsules, `(N, K)`.
        labels: the class of each image, `(N,)` int64.

    Returns:
        `(N,)`.
    """
    present = functional.one_hot(labels, lengths.shape[1]).to(lengths.dtype)
    too_short, too_long = torch.relu(PRESENT - lengths).square(), torch.relu(lengths - ABSENT).square()
    return (present * too_short + ABSENT_WEIGHT * (1 - present) * too_long).sum(dim=1)


def relative_error(images: Tensor, restored: Tensor) -> Tensor:
    """The parts of the pixels of |x - x_hat|^2 / |x|^2, added up over channels.

    Args:
        images: x, `(N, C, H, W)`; of a black image |x|^2 counts as 1e-6.
        restored: x_hat, the same.

    Returns:
        `(N, H, W)`.
    """
    energy = images.square().sum(dim=(1, 2, 3), keepdim=True).clamp_min(_LEAST_ENERGY)
    return ((images - restored).square() / energy).sum(dim=1)


def clusters(images: Tensor, count: int, *, seed: int) -> Tensor:
    """The cluster of every image by k-means over the pixels, `(N,)` int64: at most `count`, and one for equal images.

    Args:
        images: `(N, C, H, W)`.
        count: of clusters.
        seed: of where they start.
    """
    pixels = images.flatten(1)
    different = min(count, len(torch.unique(pixels, dim=0)))
    found = KMeans(different, n_init=10, random_state=seed % 2**32).fit_predict(pixels.cpu().numpy())
    return torch.from_numpy(found).long().to(images.device)


def _gathered(votes: Tensor, couplings: Tensor) -> Tensor:
    """The class capsules `(N, K, D)` of votes `(N, P, K, D)` that count as the couplings `(N, P, K)` say."""
    return squash(torch.einsum("npk,npkd->nkd", couplings, votes))
