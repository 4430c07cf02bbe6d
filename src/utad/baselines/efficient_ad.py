"""EfficientAD-S (Batzner et al., "EfficientAD", WACV 2024).

A student learns to answer like a teacher, a patch description network (PDN) of field 33, from the hardest thousandth
of the teacher's features; an autoencoder, which sees the whole image through a bottleneck, learns the teacher's
answers too, and a second half of the student's channels learns the autoencoder's. Where student and teacher differ a
patch is unlike the normal ones; where student and autoencoder differ the patches do not belong together. Both maps
are put on one scale by quantiles of held-back normal images and averaged; the image's score is the highest value.

As in the source, the teacher's targets come from the image at twice the size, and the rate falls to a tenth for the
last twentieth of the steps. `EfficientADS.departs` lists what departs from it, each for want of ImageNet or of a GPU.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.transforms import functional as colour

from utad.baselines.baseline import Scores, in_batches
from utad.baselines.departures import Departures
from utad.baselines.features import FrozenFeatures
from utad.baselines.fitting import TrainedBaseline, hold_back
from utad.baselines.students import PatchNetwork, all_descriptors, channel_statistics
from utad.scoring.perceptual import upsample

PATCH = 33
STRIDE = 4
P_HARD = 0.999
QUANTILES = (0.9, 0.995)
JITTER = 0.2
"""The autoencoder's images change in brightness, contrast or saturation by a factor of up to 1 +- this."""


class Autoencoder(nn.Module):
    """From an image through 64 numbers to descriptors on the grid of the PDN.

    Args:
        channels: of the images.
        descriptor: size of a descriptor.
        size: S, a multiple of 32.
    """

    def __init__(self, channels: int, descriptor: int, size: int) -> None:
        super().__init__()
        encoder: list[nn.Module] = []
        widths = (channels, 32, 32, 64, 64, 64)
        for before, after in pairwise(widths):
            encoder += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.ReLU()]
        encoder.append(nn.Conv2d(64, 64, size // 32))  # (N, 64, 1, 1)
        decoder: list[nn.Module] = []
        for side in (size // 32, size // 16, size // 8, size // STRIDE):
            decoder += [
                nn.Upsample(size=(side, side), mode="bilinear", align_corners=False),
                nn.Conv2d(64, 64, 3, padding=1),
                nn.ReLU(),
                nn.Dropout(0.2),
            ]
        self.layers = nn.Sequential(*encoder, *decoder, nn.Conv2d(64, descriptor, 3, padding=1))

    def forward(self, images: Tensor) -> Tensor:
        """Images `(N, C, S, S)` to `(N, descriptor, S / 4, S / 4)`."""
        described: Tensor = self.layers(images)
        return described


@dataclass(kw_only=True, eq=False)
class EfficientADS(TrainedBaseline):
    """Student, teacher and autoencoder on small patch description networks.

    Args:
        width: filters of the first convolution of the PDN.
        teacher_steps: of distilling the teacher.
        steps: of training student and autoencoder.
        weight_decay: of Adam, for teacher, student and autoencoder.
        p_hard: share of the teacher's features that the student's loss leaves out as easy.
    """

    name = "efficientad-s"
    departs: ClassVar[Departures] = Departures(
        source="Batzner et al., WACV 2024",
        changes=(
            "the teacher is not distilled from WideResNet-101 on ImageNet but from EfficientNet-Lite0 on the training "
            "images and copies of them, turned and changed in brightness and contrast; 176 channels instead of 384",
            "no ImageNet penalty on the student",
            "{width} instead of 128 filters in the first convolution",
            "learning rate {learning_rate:g} instead of 1e-4",
            "the hardest features are chosen over batches of {batch_size} images instead of single ones",
            "images are mirrored at their border, so that maps reach to it",
            "the auto-encoder's decoder stops at the resolution of the student",
        ),
        source_steps="60000 of 16 images for the teacher, 70000 of single images for the student",
    )

    width: int = 32
    teacher_steps: int = 150
    steps: int = 250
    batch_size: int = 4
    learning_rate: float = 1e-3
    weight_decay: float = 1e-5
    p_hard: float = P_HARD

    def training_steps(self) -> str:
        """Of the teacher, then of student and autoencoder."""
        return f"{self.teacher_steps} for the teacher, {self.steps} for the student, of {self.batch_size} images"

    def learn(self, images: Tensor) -> None:
        """Distils the teacher, trains student and autoencoder, and sets the scales of the two maps."""
        training, validation = hold_back(images)
        self._distil(training)
        channels = images.shape[1]
        self.student_ = self._pdn(channels, 2 * self.descriptor_)
        self.autoencoder_ = Autoencoder(channels, self.descriptor_, self.size)
        self.losses_ = self.train(
            [self.student_, self.autoencoder_], training, self._loss, drop_after=int(0.95 * self.steps)
        )
        local, whole = in_batches(self._distances, validation, 8)
        self.local_quantiles_ = fit_quantiles(local)
        self.whole_quantiles_ = fit_quantiles(whole)

    def score(self, images: Tensor) -> Scores:
        """The mean of the two normalised maps."""
        self.check_fitted()
        local, whole = self._distances(images)
        maps = (by_quantiles(local, *self.local_quantiles_) + by_quantiles(whole, *self.whole_quantiles_)) / 2
        maps = upsample(maps, self.size)
        return Scores(maps.flatten(1).amax(dim=1), maps)

    def _distil(self, images: Tensor) -> None:
        features = FrozenFeatures()
        self.descriptor_ = features.channels
        turned = torch.stack([torch.rot90(one, int(torch.randint(1, 4, ())), (1, 2)) for one in images])
        shown, targets = all_descriptors(features, torch.cat([images, jittered(turned)]), STRIDE)
        mean, deviation = channel_statistics(targets)
        self.teacher_ = self._pdn(images.shape[1], self.descriptor_)
        self.teacher_losses_ = self.train(
            [self.teacher_],
            torch.arange(len(shown)),
            lambda chosen: functional.mse_loss(
                self.teacher_(shown[chosen]), (targets[chosen].float() - mean) / deviation
            ),
            steps=self.teacher_steps,
        )
        described = torch.cat([self.teacher_(batch).half() for batch in torch.split(images, 8)])
        self.teacher_mean_, self.teacher_std_ = channel_statistics(described)

    def _loss(self, images: Tensor) -> Tensor:
        changed = jittered(images)
        local = (self._taught(images) - self.student_(images)[:, : self.descriptor_]).square()
        reconstructed = self.autoencoder_(changed)
        return (
            hard_feature_loss(local, self.p_hard)
            + functional.mse_loss(reconstructed, self._taught(changed))
            + functional.mse_loss(self.student_(changed)[:, self.descriptor_ :], reconstructed)
        )

    def _distances(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Student to teacher and student to autoencoder, `(N, S / 4, S / 4)` each."""
        like_teacher, like_autoencoder = self.student_(images).chunk(2, dim=1)
        local = (self._taught(images) - like_teacher).square().mean(dim=1)
        whole = (self.autoencoder_(images) - like_autoencoder).square().mean(dim=1)
        return local, whole

    def _taught(self, images: Tensor) -> Tensor:
        described: Tensor = self.teacher_(images)
        return (described - self.teacher_mean_) / self.teacher_std_

    def _pdn(self, channels: int, descriptor: int) -> PatchNetwork:
        return PatchNetwork(channels, descriptor, PATCH, self.width, nn.AvgPool2d, nn.ReLU())


def hard_feature_loss(distances: Tensor, p_hard: float = P_HARD) -> Tensor:
    """Mean of the squared differences that are not below their `p_hard` quantile.

    Args:
        distances: squared differences of student and teacher, any shape.
        p_hard: in [0, 1); 0 gives the mean of all.

    Returns:
        A scalar.
    """
    flat = distances.flatten()
    # The quantile lies between two neighbours in order: from the upper one on, values are not below it.
    # torch.quantile itself refuses more than 16 million values.
    rank = math.ceil(p_hard * (len(flat) - 1))
    threshold = flat.detach().topk(len(flat) - rank).values[-1]
    return flat[flat >= threshold].mean()


def fit_quantiles(maps: Tensor) -> tuple[float, float]:
    """The two quantiles of the maps of normal images, of any shape, that are to become 0 and 0.1."""
    values = maps.flatten()[:: max(1, maps.numel() // 4_000_000)].double()
    low, high = torch.quantile(values, torch.tensor(QUANTILES, dtype=torch.float64)).tolist()
    return float(low), float(high)


def by_quantiles(maps: Tensor, low: float, high: float) -> Tensor:
    """Maps scaled so that `low` becomes 0 and `high` 0.1."""
    return 0.1 * (maps - low) / max(high - low, 1e-12)


def jittered(images: Tensor) -> Tensor:
    """Each image of `(N, C, S, S)` with its brightness, its contrast or (in colour) its saturation changed."""
    changes = [colour.adjust_brightness, colour.adjust_contrast, colour.adjust_saturation]
    changed = []
    for image in images:
        change = changes[int(torch.randint(3, ()))]
        changed.append(change(image, float(1 + JITTER * (2 * torch.rand(()) - 1))))
    return torch.stack(changed)
