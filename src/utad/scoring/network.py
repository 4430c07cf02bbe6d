"""The whole detector as one module: from images to normalised scores, maps and the images that explain them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from utad.config import Config
from utad.data.region_of_interest import RegionOfInterest
from utad.data.working_region import WorkingRegion, at_pixels, pixels_of
from utad.errors import ConfigError, NonFiniteScoreError
from utad.models.backbones import Backbone, Pixels, build_backbone
from utad.models.build import build_feature_impression, build_two_stage
from utad.models.feature_impression import FeatureImpression
from utad.models.migration import upgrade
from utad.models.two_stage import Features, Images, TwoStage
from utad.scoring.features import by_image, image_code, joined, stacked
from utad.scoring.illumination import illumination_step
from utad.scoring.measurement import Measurement, build_measurement
from utad.scoring.normalisation import ScoreNormalisation
from utad.scoring.regional_illumination import RegionalIllumination
from utad.seeding import derived_seed

FEATURE_GRID = 2
"""The stage at whose resolution features are restored, an index into `backbone.stages`; clipped to those there are."""

RESTORED_STAGES = 4
"""How many stages are restored, the first of `backbone.stages`: what the deepest says is of whole parts
(docs/adr/0025)."""


@dataclass(frozen=True)
class Detection:
    """What the detector says of a batch of N images.

    Attributes:
        raw_score: `(N,)`, before normalisation.
        score: `(N,)`, normalised.
        anomaly_map: `(N, S, S)`, normalised.
        component_maps: by name, `(N, S, S)`, as in `Measured`.
        images: x, and of the restored images those that are compared or needed for that.
        shares: what each component has of `score`, by name, `(N,)` float64: they add up to it.
        code: what the images look like, `(N, D)`, to find similar ones by; None where no features are at hand.
    """

    raw_score: Tensor
    score: Tensor
    anomaly_map: Tensor
    component_maps: dict[str, Tensor]
    images: Images
    shares: dict[str, Tensor] = field(default_factory=dict)
    code: Tensor | None = None


class DetectorNetwork(nn.Module):
    """Two stages, backbone, feature impression, measurement and normalisation.

    Args:
        two_stage: IE-Net and Expert-Net.
        backbone: whose features are compared, or the pixels themselves.
        measurement: Eq. 8, or the calibrated one.
        feature_impression: restores features; None if none are compared.
        prepare: what is done to the images before the backbone sees them.
        channels: of the images, 1 or 3.
        size: S, their side.
        region: what counts of an image; None for all of it.
    """

    counted: Tensor | None

    def __init__(
        self,
        two_stage: TwoStage,
        backbone: Backbone | Pixels,
        measurement: Measurement,
        feature_impression: FeatureImpression | None,
        *,
        prepare: Callable[[Images], Images],
        channels: int,
        size: int,
        region: RegionOfInterest | None = None,
    ) -> None:
        super().__init__()
        self.two_stage = two_stage
        self.backbone = backbone
        self.measurement = measurement
        self.feature_impression = feature_impression
        self.normalisation = ScoreNormalisation()
        self.prepare = prepare
        self.channels = channels
        self.size = size
        self.region = region
        self.working_region = WorkingRegion.of(region, size, channels) if region is not None else None
        self.register_buffer("counted", pixels_of(self.working_region), persistent=False)

    def forward(self, images: Tensor, places: Tensor | None = None) -> Detection:
        """Images to normalised scores and maps.

        Args:
            images: `(N, C, S, S)` in [0, 1]; with a region, made of images that it has filled outside.
            places: as for `Measurement.forward`.

        Raises:
            NotFittedError: before calibration.
            NonFiniteScoreError: if a score or map is not finite.
        """
        restored = self.two_stage(images, self.measurement.compared)
        features = self.features(restored)
        measured = self.measurement(features, self.size, places)
        normalisation = self.normalisation.of_image()
        score = normalisation.apply(measured.score)
        detection = Detection(
            raw_score=measured.score,
            score=score,
            anomaly_map=self.normalisation.of_pixel().apply(measured.anomaly_map),
            component_maps=measured.component_maps,
            images=restored,
            shares=normalisation.shares(measured.score_parts, score),
            code=self.code([stage["image"] for stage in features if "image" in stage]),
        )
        if not bool(torch.isfinite(detection.score).all() and torch.isfinite(detection.anomaly_map).all()):
            raise NonFiniteScoreError(
                "a score is not finite, although every pixel of the image is: the model does not fit these images; "
                "retrain it with images like them"
            )
        return detection

    def features(self, images: Images, impression: FeatureImpression | None = None) -> list[Features]:
        """The features that are compared, one mapping per stage; restored by `impression`, or by the network's own."""
        return self.split(self.backbone(self.stack(images)), impression)

    def stack(self, images: Images) -> Tensor:
        """The compared images as the backbone sees them, in one batch."""
        return stacked(self.prepare(images), self.measurement.compared)

    def split(self, stages: Sequence[Tensor], impression: FeatureImpression | None = None) -> list[Features]:
        """What the backbone gives of such a batch by image, and the restored features; one mapping per stage."""
        features: list[Features] = [by_image(maps, self.measurement.compared) for maps in stages]
        impression = impression or self.feature_impression
        if impression is None:
            return features
        restored = impression(self.joined_features(features))
        finer, deeper = features[:RESTORED_STAGES], features[RESTORED_STAGES:]
        parts = torch.split(restored, [int(stage["image"].shape[1]) for stage in finer], dim=1)
        return [{**stage, "feature_impression": part} for stage, part in zip(finer, parts, strict=True)] + deeper

    def at_pixels(self, maps: Tensor) -> Tensor:
        """Maps `(N, S, S)` at the pixels that count, `(N, P)`; as they are where all do."""
        return at_pixels(maps, self.counted)

    def codes(self, images: Tensor) -> Tensor | None:
        """The codes of images `(N, C, S, S)`, the same that `forward` gives."""
        return self.code(self.backbone(self.prepare({"image": images})["image"]))

    @property
    def gives_code(self) -> bool:
        """Whether images have a code."""
        # Compared pixels are no features, and pairs of restored images leave none of the image itself.
        return isinstance(self.backbone, Backbone) and "image" in self.measurement.compared

    def code(self, stages: Sequence[Tensor]) -> Tensor | None:
        """The code `(N, D)` of images from their maps of all stages; None where this network gives none."""
        return image_code(stages[:RESTORED_STAGES]) if self.gives_code else None

    @staticmethod
    def joined_features(features: Sequence[Features]) -> Tensor:
        """The features of x as the feature impression takes them, `(N, C, g, g)`."""
        side = int(features[min(FEATURE_GRID, len(features) - 1)]["image"].shape[-1])
        return joined([stage["image"] for stage in features[:RESTORED_STAGES]], side)


def load_network(
    config: Config,
    channels: int,
    tensors: Mapping[str, Tensor],
    written_as: int,
    region: RegionOfInterest | None = None,
) -> DetectorNetwork:
    """A fitted network from the tensors of a model file.

    Args:
        config: the resolved config that it was trained with.
        channels: of the images, 1 or 3.
        tensors: by name.
        written_as: the format of the file, at least 1.
        region: that it was trained for, as for `build_network`.
    """
    network = build_network(config, channels, pretrained=False, region=region)
    network.load_state_dict(upgrade(tensors, written_as, compares_pixels=config.scoring.space == "pixels"))
    return network.requires_grad_(requires_grad=False)


def build_network(
    config: Config, channels: int, *, pretrained: bool = True, region: RegionOfInterest | None = None
) -> DetectorNetwork:
    """The untrained detector; its weights depend on the config's seed alone.

    Args:
        config: the resolved config.
        channels: of the images, 1 or 3.
        pretrained: False leaves the backbone's weights to a model file.
        region: drawn from the shapes of the config, in the frame of a letterbox if there is one; None where all
            counts, or the images are tiles.

    Raises:
        ConfigError: if the config has a region and there is none here, or the other way round.
    """
    image = config.image
    if image.has_shapes and image.tile is None and region is None:
        raise ConfigError("image.roi or image.ignore is set, and the region that is drawn from them is not there")
    if region is not None and not (image.has_shapes or image.letterbox):
        raise ConfigError("got a region of interest, and neither image.roi, image.ignore nor image.letterbox is set")
    scoring = config.scoring
    working = WorkingRegion.of(region, config.image.size, channels) if region is not None else None
    with torch.random.fork_rng():
        torch.manual_seed(derived_seed(config.seed, "initial weights"))
        two_stage = build_two_stage(config, channels)
        pixels = scoring.space == "pixels"
        backbone = Pixels() if pixels else build_backbone(config.backbone, pretrained=pretrained)
        measurement = build_measurement(config, working)
        feature_impression = None
        if measurement.restores_features and isinstance(backbone, Backbone):
            feature_impression = build_feature_impression(config.feature_net, sum(backbone.channels[:RESTORED_STAGES]))
    return DetectorNetwork(
        two_stage,
        backbone,
        measurement,
        feature_impression,
        prepare=illumination_step(scoring) if working is None else RegionalIllumination(scoring, working),
        channels=channels,
        size=config.image.size,
        region=region,
    ).eval()
