"""Every setting of the detector, validated at construction; presets are YAML files that can be read and copied.

Unknown keys are errors. The resolved config is stored in the model file and beside the run.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import lcm
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import yaml
from pydantic import (
    Field,
    ValidationInfo,
    field_serializer,
    field_validator,
    model_validator,
)

from utad.config.networks import ExpertNetConfig, FeatureNetConfig, IENetConfig
from utad.config.scoring import CalibrationConfig, MaskConfig, ScoringConfig, scoring_of_tiles
from utad.config.section import Positive, Section
from utad.config.shapes import Shape, plain, shapes_of
from utad.config.tiles import TileConfig
from utad.config.training import ExpertTrainingConfig, FeatureTrainingConfig, IETrainingConfig


class ImageConfig(Section):
    """How an image is brought to the networks: resized to a square, `channels` 1 (luma), 3 (RGB) or auto.

    Only what lies in a shape of `roi`, or anywhere if there is none, and in no shape of `ignore` counts: the region of
    interest, which belongs to the model (docs/adr/0019). A shape is a box `[left, top, right, bottom]`, a polygon
    `[[x, y], ...]` or the path of a mask image.

    With `tile` an image is cut into overlapping tiles, each of which is resized instead (docs/adr/0021).
    `smallest_defect`, in pixels of the input, goes with `tile: auto`.

    `align` registers every image to one of the training before anything else, by a translation or by a similarity (with
    rotation and scale; docs/adr/0024).

    With `letterbox` images are padded to squares and not squeezed into them; what is padded does not count
    (docs/adr/0040).
    """

    unwritten: ClassVar[Mapping[str, Any]] = {
        "roi": [],
        "ignore": [],
        "tile": None,
        "smallest_defect": None,
        "align": "none",
        "letterbox": False,
    }

    size: Annotated[int, Field(ge=16, le=2048)] = 128
    channels: Literal["auto", 1, 3] = "auto"
    max_pixels: Positive = 100_000_000
    roi: tuple[Shape, ...] = ()
    ignore: tuple[Shape, ...] = ()
    tile: TileConfig | None = None
    smallest_defect: Positive | None = None
    align: Literal["none", "translation", "similarity"] = "none"
    letterbox: bool = False

    @field_validator("roi", "ignore", mode="plain")
    @classmethod
    def _shapes(cls, value: Any, info: ValidationInfo) -> tuple[Shape, ...]:
        try:
            return shapes_of(value)
        except ValueError as error:
            raise ValueError(f"image.{info.field_name}: {error}") from None

    @field_serializer("roi", "ignore")
    def _plain(self, shapes: tuple[Shape, ...]) -> list[Any]:
        return [plain(shape) for shape in shapes]

    @model_validator(mode="after")
    def _region_of_aligned_images(self) -> Self:
        if self.align != "none" and self.has_shapes:
            raise ValueError(
                "image.align does not go with image.roi or image.ignore: a shape is drawn where the images have it, "
                "and these move; leave one out"
            )
        return self

    @model_validator(mode="after")
    def _tiles_fit(self) -> Self:
        auto = self.tile is not None and self.tile.side == "auto"
        if auto and self.smallest_defect is None:
            raise ValueError(
                "image.tile=auto needs the smallest defect that must be found, in pixels of the images: set "
                "image.smallest_defect, or a side (image.tile=256)"
            )
        if self.smallest_defect is not None and not auto:
            raise ValueError("image.smallest_defect chooses the side of tiles: set image.tile=auto, or leave it out")
        if self.tile is not None and self.letterbox:
            raise ValueError("image.tile does not go with image.letterbox: tiles keep their aspect; leave one out")
        return self

    @property
    def has_shapes(self) -> bool:
        """Whether there is a region of interest that is not the whole image."""
        return bool(self.roi or self.ignore)


class AugmentConfig(Section):
    """Training augmentation (design: a flipped label is a defect, so each can be switched).

    `rotation` in degrees to either side; `crop_scale` is the smallest side of a resized crop, as a fraction.
    """

    horizontal_flip: bool = False
    vertical_flip: bool = False
    rotation: Annotated[float, Field(ge=0.0, le=180.0)] = 3.0
    crop_scale: Annotated[float, Field(gt=0.1, le=1.0)] = 0.9


class BackboneConfig(Section):
    """The pretrained network whose features are compared.

    `name` is a timm model, or `efficientnet_lite0` for the bundled one; `stages` index timm's feature pyramid;
    `weights` is a file to load instead of timm's own download.
    """

    name: str = "efficientnet_lite0"
    weights: Path | None = None
    stages: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)] = (0, 1, 2, 3, 4)

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if list(self.stages) != sorted(set(self.stages)):
            raise ValueError(f"backbone.stages must ascend without repetition, got {list(self.stages)}")
        return self


class ExplainConfig(Section):
    """What the model file keeps of its training images for explanations: thumbnails, names and codes.

    At most `max_megabytes` (of 1,000,000 bytes), of evenly as many images as that holds; nothing with `privacy`.
    """

    privacy: bool = False
    max_megabytes: Annotated[float, Field(gt=0.0, le=1000.0)] = 5.0


class Config(Section):
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
    explain: ExplainConfig = ExplainConfig()

    @model_validator(mode="before")
    @classmethod
    def _tiles_are_scored_for_small_defects(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        image = values.get("image")
        tile = image.get("tile") if isinstance(image, dict) else getattr(image, "tile", None)
        return values if tile is None else {**values, "scoring": scoring_of_tiles(values.get("scoring", {}))}

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
