"""How differences are measured, what is set on normal images, and where a mask begins."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from utad.config.section import Fraction, NonNegative, Positive, Section

_TILE_COMPONENTS = {
    "components": ("restored", "deep", "input-detail", "input-finest"),
    "map_components": ("restored", "input", "input-detail", "input-finest"),
}
"""Of the calibrated measurement where images are cut into tiles, unless components are named."""

_TILE_DEFAULTS = {"top_fractions": (0.0005,), "normalise_illumination": False}
"""Likewise: a defect that tiles are cut for covers few positions of one, and would be lost in means over many; and the
contrast of a tile says what it shows, not how it is lit (docs/experiments/small_defects.md)."""


class ScoringConfig(Section):
    """The measurement: Eq. 8 as printed (`paper`), or the calibrated one, made of the named score components.

    `normalise_illumination` brings the images to one mean and contrast before the calibrated measurement (by default
    where they are not cut into tiles), and `normalise_gradient` takes a gradient out of them first (a default of the
    presets: models of before have none). The score is made of the top-k means of a map for each of `top_fractions`, a
    small one for small defects. The anomaly map is the mean of the maps of `map_components`, or of `components` where
    none are named; whoever names `components` and no `map_components` gets the latter. For ablations, Eq. 8 can compare
    other `pairs`, and the images themselves (`space: pixels`) instead of features.
    """

    method: Literal["paper", "calibrated"] = "calibrated"
    pairs: Annotated[tuple[Literal["x - x_hat", "m - m_hat", "x - m", "x - m_hat"], ...], Field(min_length=1)] = (
        *("x - x_hat", "m - m_hat", "x - m"),
    )
    space: Literal["features", "pixels"] = "features"
    components: Annotated[tuple[str, ...], Field(min_length=1)] = ("restored", "deep", "input-near")
    map_components: tuple[str, ...] = ("restored", "input-near", "input-detail")
    normalise_illumination: bool = True
    normalise_gradient: bool = False
    stage_weights: tuple[NonNegative, ...] | None = None
    top_fractions: Annotated[tuple[Annotated[float, Field(gt=0.0, le=1.0)], ...], Field(min_length=1)] = (0.02, 0.2)
    coreset_size: Positive = 1000

    @model_validator(mode="before")
    @classmethod
    def _other_components_have_maps_of_their_own(cls, values: Any) -> Any:
        if isinstance(values, dict) and "components" in values:
            return {"map_components": (), **values}
        return values

    @model_validator(mode="after")
    def _each_component_is_named_once(self) -> Self:
        for setting, names in (("components", self.components), ("map_components", self.map_components)):
            if len(set(names)) < len(names):
                raise ValueError(f"scoring.{setting} names one twice, got {', '.join(names)}: leave one out")
        return self

    @model_validator(mode="after")
    def _pixels_are_compared_as_printed(self) -> Self:
        if self.space == "pixels" and self.method != "paper":
            raise ValueError("scoring.space=pixels goes with scoring.method=paper: the calibrated one needs features")
        return self


class MaskConfig(Section):
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


class CalibrationConfig(Section):
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


def scoring_of_tiles(scoring: Any) -> Any:
    """What is given of `scoring`, and the defaults that images in tiles have instead of those of whole ones."""
    if not isinstance(scoring, dict) or scoring.get("method", "calibrated") != "calibrated":
        return scoring
    components = {} if "components" in scoring else _TILE_COMPONENTS
    return {**_TILE_DEFAULTS, **components, **scoring}
