"""Engines around engines: from images as a camera gives them to what the networks were trained on, and back."""

from __future__ import annotations

from utad.aligned_engine import AlignedEngine
from utad.data.alignment import Alignment
from utad.data.letterbox import Letterbox
from utad.data.region_of_interest import RegionOfInterest
from utad.data.tiling import Tiling
from utad.letterboxed_engine import LetterboxedEngine
from utad.predictor import Engine
from utad.tiled_engine import TiledEngine


def of_whole_images(
    engine: Engine,
    *,
    region: RegionOfInterest | None,
    letterbox: Letterbox | None,
    tiling: Tiling | None,
    alignment: Alignment | None,
    slope: float,
) -> Engine:
    """An engine that takes images as a camera gives them.

    Args:
        engine: that takes what the networks were trained on.
        region: of interest in the images; None where all of them counts. The engine itself has it, in the frame of a
            letterbox if there is one.
        letterbox: how images are framed; None where they are squeezed.
        tiling: how images are cut into tiles; None where they are not.
        alignment: what they are registered to first; None where they stay as they lie.
        slope: by how much the normalised score grows with the raw one.
    """
    if letterbox is not None:
        engine = LetterboxedEngine(engine, letterbox, region)
    if tiling is not None:
        engine = TiledEngine(engine, tiling, slope=slope)
    if alignment is not None:
        engine = AlignedEngine(engine, alignment, slope=slope)
    return engine
