"""The whole detector as one module: from images to normalised scores, maps and the images that explain them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from utad.config import Config
from utad.errors import NonFiniteScoreError
from utad.models.backbones import BUNDLED, Backbone, build_backbone
from utad.models.build import build_two_stage
from utad.models.folded import folded
from utad.models.packed import packed
from utad.models.two_stage import Restoration, TwoStage
from utad.scoring.contrast import CorruptedVectors, vectors_at
from utad.scoring.cores import over_cores
from utad.scoring.corruption import corrupt
from utad.scoring.features import StageFeatures, measure, pixels
from utad.scoring.measurement import CalibratedMeasurement, Measured, Measurement, build_measurement
from utad.scoring.normalisation import Normalisation, fit_normalisation
from utad.scoring.state import FittedModule
from utad.scoring.terms import term_vectors
from utad.training.seeding import derived_seed, generator_for

_MAP_SAMPLES = 4_000_000


@dataclass(frozen=True)
class Detection:
    """What the detector says of a batch of N images.

    Attributes:
        raw_score: `(N,)`, before normalisation.
        score: `(N,)`, normalised.
        anomaly_map: `(N, S, S)`, normalised.
        term_maps: by name, `(N, S, S)`, on their own scales.
        restoration: x, and of x_hat, m and m_hat those that the measurement compares.
    """

    raw_score: Tensor
    score: Tensor
    anomaly_map: Tensor
    term_maps: dict[str, Tensor]
    restoration: Restoration


class Calibration(FittedModule):
    """Location and limit of image scores and of pixels, as buffers, so that they travel in the model file."""

    image: Tensor
    pixel: Tensor

    def __init__(self) -> None:
        super().__init__(("image", "pixel"))

    def set_image(self, normalisation: Normalisation) -> None:
        """Replaces the normalisation of image scores."""
        self.image = torch.tensor([normalisation.location, normalisation.limit], dtype=torch.float64)

    def set_pixel(self, normalisation: Normalisation) -> None:
        """Replaces the normalisation of maps."""
        self.pixel = torch.tensor([normalisation.location, normalisation.limit], dtype=torch.float64)

    def of_image(self) -> Normalisation:
        """The normalisation of image scores."""
        self.require_fitted()
        return Normalisation(float(self.image[0]), float(self.image[1]))

    def of_pixel(self) -> Normalisation:
        """The normalisation of maps."""
        self.require_fitted()
        return Normalisation(float(self.pixel[0]), float(self.pixel[1]))


class DetectorNetwork(nn.Module):
    """Two stages, backbone, measurement and calibration."""

    def __init__(
        self, config: Config, two_stage: TwoStage, backbone: Backbone, measurement: Measurement, channels: int
    ) -> None:
        super().__init__()
        self.config = config
        self.channels = channels
        self.two_stage = two_stage
        self.backbone = backbone
        self.measurement = measurement
        self.calibration = Calibration()

    def for_scoring(self) -> DetectorNetwork:
        """The same detector with folded and packed networks: the same values in less time, on a CPU.

        It shares measurement and calibration with this one, and is neither for training nor for saving.
        """
        prepared = self.for_export()
        prepared.two_stage = packed(prepared.two_stage)
        if self.config.backbone.name == BUNDLED:
            prepared.backbone = packed(self.backbone, in_order=True)
        return prepared

    def for_export(self) -> DetectorNetwork:
        """The same detector with folded networks, of plain operators alone, and otherwise as `for_scoring`."""
        two_stage = folded(self.two_stage)
        prepared = DetectorNetwork(self.config, two_stage, self.backbone, self.measurement, self.channels)
        prepared.calibration = self.calibration
        return prepared.eval()

    def forward(self, images: Tensor) -> Detection:
        """Images `(N, C, S, S)` in [0, 1] to normalised scores and maps.

        Raises:
            NotFittedError: before calibration.
            NonFiniteScoreError: if a score or map is not finite.
        """
        restoration, features = self.restore(images)
        measured = self.measurement(features, images.shape[-1])
        image, pixel = self.calibration.of_image(), self.calibration.of_pixel()
        detection = Detection(
            raw_score=measured.score,
            score=image.apply(measured.score),
            anomaly_map=pixel.apply(measured.anomaly_map),
            term_maps=measured.term_maps,
            restoration=restoration,
        )
        if not bool(torch.isfinite(detection.score).all() and torch.isfinite(detection.anomaly_map).all()):
            raise NonFiniteScoreError(
                "a score is not finite, although every pixel of the image is: the model does not fit these images; "
                "retrain it with images like them"
            )
        return detection

    def restore(self, images: Tensor) -> tuple[Restoration, tuple[StageFeatures, ...]]:
        """The images that are compared, and their features."""
        restoration: Restoration = self.two_stage(images, self.measurement.needed)
        return restoration, self.features(restoration)[0]

    def features(self, restoration: Restoration) -> tuple[tuple[StageFeatures, ...], tuple[Tensor, ...]]:
        """The features that are compared, and what the backbone saw and gave; nothing where pixels are compared."""
        if self.config.scoring.space == "pixels":
            return pixels(restoration), ()
        return measure(self.backbone, self.measurement.prepare(restoration), self.measurement.needed)

    @torch.inference_mode()
    def calibrate(self, images: Tensor, trained_on: Tensor, batch_size: int = 4) -> None:
        """Fits measurement, normalisation and threshold to normal images.

        The networks reproduce the images they were trained on a little better than others. The gap between
        the medians of the two groups is added to the values of the former before the thresholds are set.

        Args:
            images: all normal images, `(N, C, S, S)`; of more than `calibration.max_images`, evenly as many.
            trained_on: bool `(N,)`, which of them trained the networks.
            batch_size: images at a time.
        """
        settings = self.config.calibration
        chosen = evenly(len(images), settings.max_images)
        trained_on = trained_on[chosen]
        measured = self.for_scoring()._measure_normals(images[chosen], batch_size)
        scores = _without_gap(measured.score, trained_on)
        # A strided sample of the pixels: the same pixels whatever the order of batches, bounded in memory.
        pixels = measured.anomaly_map.flatten()
        pixels = pixels[:: max(1, len(pixels) // _MAP_SAMPLES)]
        self.calibration.set_image(fit_normalisation(scores, settings.image_fpr))
        self.calibration.set_pixel(fit_normalisation(pixels, settings.pixel_fpr))

    def _features_of(self, images: Tensor) -> tuple[StageFeatures, ...]:
        return self.restore(images)[1]

    def _measure_normals(self, images: Tensor, batch_size: int) -> Measured:
        size = images.shape[-1]
        if isinstance(self.measurement, CalibratedMeasurement):
            vectors = self._vectors(images, batch_size)
            return self.measurement.fit(vectors, size, self._corrupted_vectors(images, batch_size))

        def measured(batch: Tensor) -> Measured:
            found: Measured = self.measurement(self._features_of(batch), size)
            return found

        parts = list(over_cores(measured, torch.split(images, batch_size)))
        return Measured(torch.cat([part.score for part in parts]), torch.cat([part.anomaly_map for part in parts]), {})

    def _vectors(self, images: Tensor, batch_size: int) -> dict[str, Tensor]:
        names = self.measurement.vector_names

        def vectors_of(batch: Tensor) -> dict[str, Tensor]:
            # Where they are computed, so that only the vectors wait for their turn, not the features of every stage.
            features = self._features_of(batch)
            return {name: term_vectors(name, features) for name in names}

        parts = list(over_cores(vectors_of, torch.split(images, batch_size)))
        return {name: torch.cat([vectors[name] for vectors in parts]) for name in names}

    def _corrupted_vectors(self, images: Tensor, batch_size: int) -> dict[str, CorruptedVectors] | None:
        count = self.config.calibration.corrupted_images
        if count == 0:
            return None
        collected: dict[str, list[CorruptedVectors]] = {name: [] for name in self.measurement.vector_names}
        sources = torch.arange(count) % len(images) if count > len(images) else evenly(len(images), count)

        def vectors_of(numbered: tuple[int, Tensor]) -> dict[str, CorruptedVectors]:
            number, source = numbered
            generator = generator_for(self.config.seed, "calibration/corruptions", number)
            donor = (source + torch.randint(1, len(images), (len(source),), generator=generator)) % len(images)
            corrupted = corrupt(images[source], images[donor], number, generator)
            features = self._features_of(corrupted.images)
            return {name: vectors_at(term_vectors(name, features), corrupted.mask, source) for name in collected}

        for vectors in over_cores(vectors_of, list(enumerate(torch.split(sources, batch_size)))):
            for name, parts in collected.items():
                parts.append(vectors[name])
        return {name: CorruptedVectors.joined(parts) for name, parts in collected.items()}


def build_network(config: Config, channels: int, *, pretrained: bool = True) -> DetectorNetwork:
    """The untrained detector; its weights depend on the config's seed alone.

    Args:
        config: the resolved config.
        channels: of the images, 1 or 3.
        pretrained: False leaves the backbone's weights to a model file.
    """
    with torch.random.fork_rng():
        torch.manual_seed(derived_seed(config.seed, "initial weights"))
        two_stage = build_two_stage(config, channels)
        backbone = build_backbone(config.backbone, pretrained=pretrained)
    return DetectorNetwork(config, two_stage, backbone, build_measurement(config), channels).eval()


def evenly(count: int, limit: int) -> Tensor:
    """At most `limit` of the indices below `count`, evenly from all of them, int64."""
    return torch.arange(min(count, limit)) * count // min(count, limit)


def _without_gap(scores: Tensor, trained_on: Tensor) -> Tensor:
    if bool(trained_on.all()) or not bool(trained_on.any()):
        return scores
    gap = float(scores[~trained_on].median() - scores[trained_on].median())
    return torch.where(trained_on, scores + max(0.0, gap), scores)
