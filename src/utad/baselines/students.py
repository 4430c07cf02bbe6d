"""Uninformed students (Bergmann et al., "Uninformed Students", CVPR 2020).

An ensemble of students, each of which sees one patch of p x p pixels, regresses the descriptors of a teacher. Where
the patch is unlike the normal ones they miss the teacher's descriptor (regression error e) and disagree with each
other (predictive variance v). Both are standardised on normal images that the students did not see and added; the
image's score is the highest value of the map.

`UninformedStudents.departs` lists what departs from the source, each for want of ImageNet or of a GPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from utad.baselines.baseline import Scores, in_batches
from utad.baselines.departures import Departures
from utad.baselines.features import FrozenFeatures
from utad.baselines.fitting import TrainedBaseline, hold_back
from utad.errors import ConfigError
from utad.scoring.perceptual import upsample

MAX_TARGET_VALUES = 200_000_000
"""Descriptor values of the training images kept in memory, at two bytes each; further images are not learnt from."""

# Kernel of each convolution and whether a pooling by 2 follows it, by p.
_LAYOUTS: dict[int, tuple[tuple[int, bool], ...]] = {
    17: ((4, True), (4, True), (2, False), (1, False)),
    33: ((4, True), (4, True), (3, False), (4, False)),
    65: ((4, True), (4, True), (5, True), (3, False), (3, False)),
}


class PatchNetwork(nn.Module):
    """Describes the patch around every position of a grid of S / `stride`, and sees nothing beyond it.

    Args:
        channels: of the images.
        descriptor: size of a descriptor.
        patch: side of the patch in pixels: 17, 33 or 65.
        width: filters of the first convolution; the others have twice as many.
        pooling: of kernel and stride 2.
        activation: after every convolution but the last.
    """

    def __init__(
        self,
        channels: int,
        descriptor: int,
        patch: int,
        width: int,
        pooling: type[nn.MaxPool2d | nn.AvgPool2d],
        activation: nn.Module,
    ) -> None:
        super().__init__()
        if patch not in _LAYOUTS:
            raise ConfigError(f"got patches of {patch} pixels, expected one of {', '.join(map(str, _LAYOUTS))}")
        layout = _LAYOUTS[patch]
        widths = [channels, width, *[2 * width] * (len(layout) - 2), descriptor]
        layers: list[nn.Module] = []
        for index, (kernel, pooled) in enumerate(layout):
            layers.append(nn.Conv2d(widths[index], widths[index + 1], kernel))
            if index < len(layout) - 1:
                layers.append(activation)
            if pooled:
                layers.append(pooling(2))
        self.layers = nn.Sequential(*layers)
        self.patch = patch
        self.stride = stride_of(patch)

    def forward(self, images: Tensor) -> Tensor:
        """Images `(N, C, S, S)`, S a multiple of 8, at least 32, to `(N, descriptor, S / stride, S / stride)`."""
        # The patch of a position is centred on the stride x stride pixels that the position stands for.
        before = self.patch // 2 - self.stride // 2
        after = self.patch - self.stride - before
        padded = functional.pad(images, (before, after, before, after), mode="reflect")
        descriptors: Tensor = self.layers(padded)
        return descriptors


@dataclass(kw_only=True, eq=False)
class UninformedStudents(TrainedBaseline):
    """Error and disagreement of students that learnt a teacher's descriptors of normal patches.

    Args:
        students: M, networks in the ensemble.
        patch: p, side of the patch that a student sees: 17, 33 or 65.
        width: filters of the students' first convolution.
        steps: of training, one batch for all students each.
        weight_decay: of Adam.
    """

    name = "unst"
    departs: ClassVar[Departures] = Departures(
        source="Bergmann et al., CVPR 2020",
        changes=(
            "the teacher is not distilled on ImageNet: its descriptors are frozen features of EfficientNet-Lite0, "
            "which see more than p x p pixels",
            "one scale, p = {patch}, instead of three (17, 33 and 65) at once",
            "{students} students of {width} instead of 128 filters, in layouts of our own of exactly the field p",
            "descriptors at every fourth pixel (p = 65: every eighth) instead of every one",
            "learning rate {learning_rate:g} instead of 1e-4",
        ),
        source_steps="50000 of 64 images for the teacher, 100 epochs of single images for the students",
    )

    students: int = 3
    patch: int = 33
    width: int = 32
    steps: int = 200
    batch_size: int = 4
    learning_rate: float = 1e-3
    weight_decay: float = 1e-5

    def training_steps(self) -> str:
        """Of all students at once; the teacher is not trained."""
        return f"{super().training_steps()} for the students, none for the teacher"

    def learn(self, images: Tensor) -> None:
        """Trains the students, then standardises error and variance on the images held back from them."""
        self.features_ = FrozenFeatures()
        stride = stride_of(self.patch)
        training, validation = hold_back(images)
        training, targets = all_descriptors(self.features_, training, stride)
        self.teacher_mean_, self.teacher_std_ = channel_statistics(targets)
        self.students_ = nn.ModuleList(
            PatchNetwork(
                images.shape[1], self.features_.channels, self.patch, self.width, nn.MaxPool2d, nn.LeakyReLU(0.005)
            )
            for _ in range(self.students)
        )
        self.losses_ = self.train(
            [self.students_],
            torch.arange(len(training)),
            lambda chosen: self._error_of_all(
                training[chosen], (targets[chosen].float() - self.teacher_mean_) / self.teacher_std_
            ),
        )
        self.standardisation_ = [
            (float(values.mean()), float(values.std().clamp_min(1e-12)))
            for values in in_batches(self._error_and_variance, validation, 8)
        ]

    def score(self, images: Tensor) -> Scores:
        """Standardised error plus standardised variance."""
        self.check_fitted()
        (error_mean, error_std), (variance_mean, variance_std) = self.standardisation_
        error, variance = self._error_and_variance(images)
        maps = upsample((error - error_mean) / error_std + (variance - variance_mean) / variance_std, self.size)
        return Scores(maps.flatten(1).amax(dim=1), maps)

    def _error_of_all(self, images: Tensor, target: Tensor) -> Tensor:
        return torch.stack([functional.mse_loss(student(images), target) for student in self.students_]).sum()

    def _error_and_variance(self, images: Tensor) -> tuple[Tensor, Tensor]:
        target = descriptors(self.features_, images, stride_of(self.patch))
        target = (target - self.teacher_mean_) / self.teacher_std_
        predictions = torch.stack([student(images) for student in self.students_])  # (M, N, D, g, g)
        return regression_error(predictions, target), predictive_variance(predictions)


def regression_error(predictions: Tensor, target: Tensor) -> Tensor:
    """The source's e: squared distance of the students' mean to the teacher.

    Args:
        predictions: of the M students, `(M, N, D, g, g)`.
        target: normalised descriptors of the teacher, `(N, D, g, g)`.

    Returns:
        `(N, g, g)`.
    """
    return (predictions.mean(dim=0) - target).square().sum(dim=1)


def predictive_variance(predictions: Tensor) -> Tensor:
    """The source's v: the mean of the students' squared norms less the squared norm of their mean.

    It is computed as the mean squared distance from their mean, which is the same and never negative.

    Args:
        predictions: of the M students, `(M, N, D, g, g)`.

    Returns:
        `(N, g, g)`.
    """
    return (predictions - predictions.mean(dim=0)).square().sum(dim=2).mean(dim=0)


def stride_of(patch: int) -> int:
    """Pixels from one patch to the next."""
    return 1 << sum(pooled for _, pooled in _LAYOUTS.get(patch, ()))


def descriptors(features: FrozenFeatures, images: Tensor, stride: int) -> Tensor:
    """The teacher's descriptors of images `(N, C, S, S)`, `(N, D, S / stride, S / stride)`.

    The features have a stride of 8: they are taken from images enlarged by 8 / `stride`, as EfficientAD does.
    """
    if stride != 8:
        images = functional.interpolate(images, scale_factor=8 / stride, mode="bilinear", align_corners=False)
    described: Tensor = features(images)
    return described


def all_descriptors(features: FrozenFeatures, images: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    """Descriptors of the training images, once for all steps; of a random choice of them where memory is short.

    Returns:
        The images chosen, `(K, C, S, S)`, and their descriptors `(K, D, S / stride, S / stride)`, float16.
    """
    values = features.channels * (images.shape[-1] // stride) ** 2
    if len(images) > MAX_TARGET_VALUES // values:
        images = images[torch.randperm(len(images))[: max(1, MAX_TARGET_VALUES // values)]]
    return images, torch.cat([descriptors(features, batch, stride).half() for batch in torch.split(images, 8)])


def channel_statistics(described: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of every channel of `(N, D, g, g)`, `(D, 1, 1)` float32 each."""
    sums = torch.zeros(2, described.shape[1], dtype=torch.float64)
    for batch in torch.split(described, 32):
        values = batch.double()
        sums += torch.stack([values.mean(dim=(2, 3)).sum(dim=0), values.square().mean(dim=(2, 3)).sum(dim=0)])
    mean, square = sums / len(described)
    deviation = (square - mean.square()).clamp_min(1e-12).sqrt()
    return mean.float()[:, None, None], deviation.float()[:, None, None]
