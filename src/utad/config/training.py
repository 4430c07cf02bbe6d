"""The sections of training: a stage each, its optimiser and the weights of its terms."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from utad.config.section import Fraction, NonNegative, Positive, Section, Share


class OptimizerConfig(Section):
    """Optimiser and learning-rate schedule of one stage."""

    name: Literal["sgd", "adam", "adamw"] = "adamw"
    learning_rate: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 2e-3
    momentum: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.9
    betas: tuple[Fraction, Fraction] = (0.9, 0.99)
    weight_decay: NonNegative = 1e-4
    schedule: Literal["constant", "one-cycle"] = "one-cycle"


class IEWeights(Section):
    """Weights of the terms of Eq. 6 (design, section 2); `restoration` is that of synthetic anomalies alone."""

    reconstruction: NonNegative = 100.0
    restoration: NonNegative = 0.0
    local_information: NonNegative = 1.5
    global_information: NonNegative = 0.5
    prior: NonNegative = 0.1


class ExpertWeights(Section):
    """Weights of the terms of Eq. 7 (design, section 2)."""

    image: NonNegative = 10.0
    impression: NonNegative = 10.0
    detail: NonNegative = 1.0


class _StageConfig(Section):
    """The training of one stage; `steps: 0` leaves its networks as they were initialised, for ablations."""

    batch_size: Positive = 8
    steps: Annotated[int, Field(ge=0)] | None = None
    epochs: Positive | None = None
    checkpoint_every: Positive = 50
    gradient_clip: NonNegative = 0.0
    optimizer: OptimizerConfig = OptimizerConfig()

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("give the length of a stage either in steps or in epochs, and not both")
        return self

    def total_steps(self, n_images: int) -> int:
        """Optimiser steps of the stage for `n_images` training images."""
        if self.steps is not None:
            return self.steps
        assert self.epochs is not None
        return self.epochs * max(1, n_images // min(self.batch_size, n_images))


class IETrainingConfig(_StageConfig):
    """Training of IE-Net (stage 1); mismatched pairs need a second image in each batch.

    The first `anomalous` part of each batch gets a synthetic anomaly an image, and is to be restored to what it was
    without; the paper has 0.
    """

    batch_size: Annotated[int, Field(ge=2)] = 8
    anomalous: Share = 0.0
    weights: IEWeights = IEWeights()


class ExpertTrainingConfig(_StageConfig):
    """Training of Expert-Net with IE-Net frozen (stage 2); `anomalous` as for IE-Net."""

    anomalous: Share = 0.0
    weights: ExpertWeights = ExpertWeights()


class FeatureTrainingConfig(_StageConfig):
    """Training of the feature impression.

    It learns from the features of so many `examples`, normal images that are augmented where there are fewer, and of
    the same with a synthetic anomaly each, which half of each batch has.
    """

    batch_size: Annotated[int, Field(ge=2)] = 16
    checkpoint_every: Positive = 300
    examples: Annotated[int, Field(ge=2)] = 1000
