"""Any engine, for images that are framed to keep their aspect. Without torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from utad.data.letterbox import Letterbox
from utad.data.region_of_interest import RegionOfInterest
from utad.predictor import Engine
from utad.types import EngineResult, Image, LazyArrays


class LetterboxedEngine:
    """Scores images in their frame, and gives maps and pictures without it.

    Args:
        engine: that scores the framed images.
        letterbox: of the model.
        region: of interest, in the images without a frame; None where all of them counts.
    """

    def __init__(self, engine: Engine, letterbox: Letterbox, region: RegionOfInterest | None) -> None:
        self.engine = engine
        self.letterbox = letterbox
        self.region = region
        self.max_batch = engine.max_batch
        self.same_size = engine.same_size
        self.streams = engine.streams

    def run(self, images: Sequence[Image], *, concurrent: bool = False) -> list[EngineResult]:
        """One result per image `(H, W, 3)`, uint8 or uint16 as far as the engine takes that.

        Raises:
            NonFiniteScoreError: if a score or map is not finite.
        """
        framed = [self.letterbox.framed(image) for image in images]
        results = self.engine.run(framed, concurrent=concurrent)
        return [
            self._without_frame(result, (image.shape[0], image.shape[1]))
            for result, image in zip(results, images, strict=True)
        ]

    def _without_frame(self, result: EngineResult, size: tuple[int, int]) -> EngineResult:
        unframed = partial(self.letterbox.unframed, size=size)
        return replace(
            result,
            anomaly_map=unframed(result.anomaly_map),
            pictures=LazyArrays.changed(result.pictures, unframed),
            component_maps=LazyArrays.changed(result.component_maps, unframed),
            inside=self.region.inside(size) if self.region is not None else None,
        )
