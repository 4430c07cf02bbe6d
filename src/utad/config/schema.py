"""Every setting of the detector, validated at construction; presets are YAML files that can be read and copied.

Unknown keys are errors. The resolved config is stored in the model file and beside the run.
"""

from __future__ import annotations

from math import lcm, prod
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

Positive = Annotated[int, Field(ge=1)]
NonNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0.0, lt=1.0)]
Fraction = Annotated[float, Field(gt=0.0, lt=1.0)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ImageConfig(_Section):
    """How an image is brought to the networks: resized to a square, `channels` 1 (luma), 3 (RGB) or auto."""

    size: Annotated[int, Field(ge=16, le=2048)] = 128
    channels: Literal["auto", 1, 3] = "auto"
    max_pixels: Positive = 100_000_000


class AugmentConfig(_Section):
    """Training augmentation (design: a flipped label is a defect, so each can be switched).

    `rotation` in degrees to either side; `crop_scale` is the smallest side of a resized crop, as a fraction.
    """

    horizontal_flip: bool = False
    vertical_flip: bool = False
    rotation: Annotated[float, Field(ge=0.0, le=180.0)] = 3.0
    crop_scale: Annotated[float, Field(gt=0.1, le=1.0)] = 0.9


class IENetConfig(_Section):
    """IE-Net: filters of each of the four branches per inception block, and the factor of each pooling.

    The decoder has its own filters and upsampling factors, in its own order (design, section 2). `shuffle`
    above 1 makes the last 1x1 convolution give that many pixels by pixel-shuffle instead of one.
    """

    filters: Annotated[tuple[Positive, ...], Field(min_length=1)] = (8, 8, 16, 32)
    pools: Annotated[tuple[Positive, ...], Field(min_length=1)] = (4, 2, 2, 2)
    decoder_filters: Annotated[tuple[Positive, ...], Field(min_length=1)] = (32, 16, 8, 8)
    upsamples: Annotated[tuple[Positive, ...], Field(min_length=1)] = (2, 4, 2, 1)
    shuffle: Positive = 2
    latent_dim: Positive = 128
    hidden_dim: Positive = 256
    critic_dim: Positive = 128

    @model_validator(mode="after")
    def _one_pool_per_block(self) -> Self:
        if len(self.filters) != len(self.pools):
            raise ValueError(
                f"ie_net.filters has {len(self.filters)} entries and ie_net.pools {len(self.pools)}: "
                "give one pooling factor per inception block"
            )
        if len(self.upsamples) != len(self.decoder_filters) or prod(self.upsamples) * self.shuffle != self.reduction:
            raise ValueError(
                f"ie_net.upsamples {list(self.upsamples)} must have {len(self.decoder_filters)} entries and, times "
                f"ie_net.shuffle {self.shuffle}, undo the pooling by {self.reduction}"
            )
        return self

    @property
    def reduction(self) -> int:
        """Input side over the side of z."""
        return prod(self.pools)


class ExpertNetConfig(_Section):
    """Expert-Net: `paper` is MUNIT's AdaIN auto-encoder, `fast` the pixel-unshuffle layout with a skip.

    `shared` makes one decoder and one detail extractor serve both directions, as the paper counts them.
    Without `guidance`, the detail code is drawn from N(0, 1) (Table 2, "without E_S").
    """

    layout: Literal["paper", "fast"] = "fast"
    width: Positive = 32
    residual_blocks: Positive = 2
    detail_dim: Positive = 8
    hidden_dim: Positive = 64
    shared: bool = True
    guidance: bool = True


class FeatureNetConfig(_Section):
    """The auto-encoder over features: channels within and of its code, and halvings of the sides down to that."""

    width: Positive = 128
    code_channels: Positive = 64
    halvings: Annotated[int, Field(ge=1, le=4)] = 2


class OptimizerConfig(_Section):
    """Optimiser and learning-rate schedule of one stage."""

    name: Literal["sgd", "adam", "adamw"] = "adamw"
    learning_rate: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 2e-3
    momentum: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.9
    betas: tuple[Fraction, Fraction] = (0.9, 0.99)
    weight_decay: NonNegative = 1e-4
    schedule: Literal["constant", "one-cycle"] = "one-cycle"


class IEWeights(_Section):
    """Weights of the terms of Eq. 6 (design, section 2); `restoration` is that of synthetic anomalies alone."""

    reconstruction: NonNegative = 100.0
    restoration: NonNegative = 0.0
    local_information: NonNegative = 1.5
    global_information: NonNegative = 0.5
    prior: NonNegative = 0.1


class ExpertWeights(_Section):
    """Weights of the terms of Eq. 7 (design, section 2)."""

    image: NonNegative = 10.0
    impression: NonNegative = 10.0
    detail: NonNegative = 1.0


class _StageConfig(_Section):
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


class BackboneConfig(_Section):
    """The pretrained network whose features are compared.

    `name` is a timm model, or `efficientnet_lite0` for the bundled one; `stages` index timm's feature pyramid;
    `weights` is a file to load instead of timm's own download.
    """

    name: str = "efficientnet_lite0"
    weights: Path | None = None
    stages: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)] = (0, 1, 2, 3)

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if list(self.stages) != sorted(set(self.stages)):
            raise ValueError(f"backbone.stages must ascend without repetition, got {list(self.stages)}")
        return self


class ScoringConfig(_Section):
    """The measurement: Eq. 8 as printed (`paper`), or the calibrated one, made of the named score components.

    `normalise_illumination` brings the images to one mean and contrast before the calibrated measurement. The score
    is made of the top-k means of a map for each of `top_fractions`, a small one for small defects. For ablations,
    Eq. 8 can compare other `pairs`, and the images themselves (`space: pixels`) instead of features.
    """

    method: Literal["paper", "calibrated"] = "calibrated"
    pairs: Annotated[tuple[Literal["x - x_hat", "m - m_hat", "x - m", "x - m_hat"], ...], Field(min_length=1)] = (
        *("x - x_hat", "m - m_hat", "x - m"),
    )
    space: Literal["features", "pixels"] = "features"
    components: Annotated[tuple[str, ...], Field(min_length=1)] = (
        *("restored", "restored-near", "restored-whole", "input-near"),
    )
    normalise_illumination: bool = True
    stage_weights: tuple[NonNegative, ...] | None = None
    top_fractions: Annotated[tuple[Annotated[float, Field(gt=0.0, le=1.0)], ...], Field(min_length=1)] = (0.02, 0.2)
    coreset_size: Positive = 1000

    @model_validator(mode="after")
    def _pixels_are_compared_as_printed(self) -> Self:
        if self.space == "pixels" and self.method != "paper":
            raise ValueError("scoring.space=pixels goes with scoring.method=paper: the calibrated one needs features")
        return self


class MaskConfig(_Section):
    """Eq. 9: where the map of an image called anomalous exceeds `alpha`.

    `relative` reads alpha as a part of the image's own peak; otherwise 0.5 is the limit that `calibration.pixel_fpr` of
    normal pixels exceed. Regions of fewer than `min_area` pixels of the input are left out.
    """

    relative: bool = True
    alpha: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 0.5
    min_area: Positive = 1

    @model_validator(mode="after")
    def _part_of_the_peak(self) -> Self:
        if self.relative and self.alpha >= 1.0:
            raise ValueError(f"mask.alpha is a part of the peak and must be below 1, got {self.alpha:g}")
        return self


class CalibrationConfig(_Section):
    """What is set on normal images alone: `held_out` of them do not train the networks.

    `max_images` bounds how many enter the statistics, and so time and memory: of more, evenly as many are taken.

    `synthetic_anomalies` copies of them with a part changed weight the directions of each component's features; with
    0, all have the same weight.

    `image_fpr` and `pixel_fpr` are the rates of normal images and of their pixels that 0.5 stands for, `fail_fpr` that
    of normal images in the band `fail`.
    """

    held_out: Annotated[float, Field(gt=0.0, le=0.5)] = 0.15
    folds: Annotated[int, Field(ge=2, le=20)] = 5
    max_images: Annotated[int, Field(ge=4)] = 1000
    synthetic_anomalies: Annotated[int, Field(ge=0)] = 600
    image_fpr: Fraction = 0.01
    fail_fpr: Fraction = 0.001
    pixel_fpr: Fraction = 0.01


class Config(_Section):
    """The whole of it.

    `precision` auto means bf16 autocast in training where the CPU computes in it. `accelerator` and `devices`
    are Lightning's; several devices train by DDP, on a CPU as that many processes.
    """

    preset: str = "fast"
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    accelerator: Literal["auto", "cpu", "gpu", "mps"] = "auto"
    devices: Positive = 1
    image: ImageConfig = ImageConfig()
    augment: AugmentConfig = AugmentConfig()
    ie_net: IENetConfig = IENetConfig()
    expert_net: ExpertNetConfig = ExpertNetConfig()
    feature_net: FeatureNetConfig = FeatureNetConfig()
    ie_training: IETrainingConfig = IETrainingConfig(steps=400)
    expert_training: ExpertTrainingConfig = ExpertTrainingConfig(steps=400)
    feature_training: FeatureTrainingConfig = FeatureTrainingConfig(steps=1000)
    backbone: BackboneConfig = BackboneConfig()
    scoring: ScoringConfig = ScoringConfig()
    calibration: CalibrationConfig = CalibrationConfig()
    mask: MaskConfig = MaskConfig()

    @model_validator(mode="after")
    def _size_fits(self) -> Self:
        multiple = lcm(self.ie_net.reduction, 4)
        if self.image.size % multiple:
            lower = self.image.size // multiple * multiple
            raise ValueError(
                f"image.size {self.image.size} does not divide by {multiple}, the reduction of the networks: "
                f"take {f'{lower} or ' if lower else ''}{lower + multiple}"
            )
        if self.ie_training.batch_size < 2 * self.devices or self.expert_training.batch_size < self.devices:
            raise ValueError(
                f"{self.devices} devices share ie_training.batch_size {self.ie_training.batch_size} and "
                f"expert_training.batch_size {self.expert_training.batch_size}: each needs two images of the first and "
                "one of the second"
            )
        weights = self.scoring.stage_weights
        if weights is not None and len(weights) != len(self.backbone.stages):
            raise ValueError(
                f"scoring.stage_weights has {len(weights)} entries for {len(self.backbone.stages)} backbone.stages"
            )
        return self

    def to_yaml(self) -> str:
        """The resolved config as YAML that `load_config` reads back."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
