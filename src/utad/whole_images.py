"""Engines around engines: from images as a camera gives them to what the networks were trained on, and back."""

from __future__ import annotations

from utad.aligned_engine import AlignedEngine
from utad.data.geometry import Geometry
from utad.letterboxed_engine import LetterboxedEngine
from utad.predictor import Engine
from utad.tiled_engine import TiledEngine


def of_whole_images(engine: Engine, geometry: Geometry, *, slope: float | None) -> Engine:
    """An engine that takes images as a camera gives them.

    Args:
        engine: that takes what the networks were trained on, and has their region.
        geometry: of the model.
        slope: by how much the normalised score grows with the raw one; None will do without tiles and alignment.
    """
    if geometry.letterbox is not None:
        engine = LetterboxedEngine(engine, geometry.letterbox, geometry.region)
    if geometry.tiling is not None:
        assert slope is not None
        engine = TiledEngine(engine, geometry.tiling, geometry.region, slope=slope)
    if geometry.alignment is not None:
        assert slope is not None
        engine = AlignedEngine(engine, geometry.alignment, slope=slope)
    return engine
