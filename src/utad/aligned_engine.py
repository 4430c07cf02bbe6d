"""Any engine, for images that are registered to a reference before they are scored. Without torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from utad.data.alignment import Alignment
from utad.data.motion import Registration
from utad.predictor import Engine
from utad.tiled_engine import with_score_raised
from utad.types import EngineResult, Image, LazyArrays

LEAST_UNREGISTERED = 1.0
"""Normalised score that an image has at least which cannot be registered: twice the usual threshold."""


class AlignedEngine:
    """Aligns images to the reference, scores them, and brings maps and pictures back to where the image has it.

    An image that cannot be registered is scored as it lies, and its score is at least `LEAST_UNREGISTERED`: a low one
    would hide that nothing known of the training images holds for it.

    Args:
        engine: that scores the aligned images.
        alignment: of the model.
        slope: by how much the normalised score grows with the raw one.
    """

    def __init__(self, engine: Engine, alignment: Alignment, *, slope: float) -> None:
        self.engine = engine
        self.alignment = alignment
        self.max_batch = engine.max_batch
        self.same_size = engine.same_size
        self.streams = engine.streams
        self._slope = slope

    def run(self, images: Sequence[Image], *, concurrent: bool = False) -> list[EngineResult]:
        """One result per image `(H, W, 3)`, uint8 or uint16 as far as the engine takes that.

        Raises:
            NonFiniteScoreError: if a score or map is not finite.
        """
        found = [self.alignment.register(image) for image in images]
        aligned = [registration.aligned(image) for registration, image in zip(found, images, strict=True)]
        results = self.engine.run(aligned, concurrent=concurrent)
        return [self._brought_back(result, registration) for result, registration in zip(results, found, strict=True)]

    def _brought_back(self, result: EngineResult, registration: Registration) -> EngineResult:
        if not registration.succeeded:
            return self._unregistered(result)
        return replace(
            result,
            anomaly_map=registration.brought_back(result.anomaly_map),
            pictures=LazyArrays.changed(result.pictures, registration.back().aligned),
            component_maps=LazyArrays.changed(result.component_maps, registration.brought_back),
            aligned=True,
        )

    def _unregistered(self, result: EngineResult) -> EngineResult:
        rise = max(0.0, LEAST_UNREGISTERED - result.pred_score)
        return replace(with_score_raised(result, rise, slope=self._slope), aligned=False)
