"""What a model file says beside its tensors, and a detector made anew from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from utad.config import Config
from utad.data.alignment import Alignment
from utad.data.colour_order import ColourOrder
from utad.data.letterbox import Letterbox
from utad.data.region_of_interest import RegionOfInterest
from utad.data.tiling import Tiling
from utad.predictor import Predictor
from utad.thresholds import past_calibrations


def manifest_of(detector: Predictor, config: Config, *, channels: int, trained_on: Sequence[str]) -> dict[str, Any]:
    """The manifest of a fitted detector, plain JSON values.

    Args:
        detector: fitted.
        config: its resolved config.
        channels: that its networks see, 1 or 3.
        trained_on: fingerprints of its training images.
    """
    # Models without a region, a letterbox, tiles or an alignment are written as before there were any.
    regional = {"region": detector.region.as_dict()} if detector.region is not None else {}
    aligned = {"alignment": detector.alignment.as_dict()} if detector.alignment is not None else {}
    framed = {"letterbox": detector.letterbox.as_dict()} if detector.letterbox is not None else {}
    tiled = {"tiling": detector.tiling.as_dict()} if detector.tiling is not None else {}
    return {
        "config": config.model_dump(mode="json"),
        "channels": channels,
        "threshold": detector.threshold,
        "fail_threshold": detector.fail_threshold,
        "calibrations": [asdict(past) for past in detector.calibrations],
        "trained_on": list(trained_on),
        "colour_order": asdict(detector.colour_order) if detector.colour_order is not None else None,
        **regional,
        **framed,
        **tiled,
        **aligned,
    }


def restore(detector: Predictor, manifest: Mapping[str, Any]) -> None:
    """Gives a detector what a manifest says of thresholds, colours, region, letterbox, tiles and alignment."""
    detector.threshold = float(manifest["threshold"])
    detector.fail_threshold = manifest.get("fail_threshold")
    detector.calibrations = past_calibrations(manifest.get("calibrations", ()))
    detector.colour_order = ColourOrder.of(manifest.get("colour_order"))
    detector.region = RegionOfInterest.of(manifest.get("region"))
    detector.letterbox = Letterbox.of(manifest.get("letterbox"))
    detector.alignment = Alignment.of(manifest.get("alignment"))
    detector.tiling = Tiling.of(manifest.get("tiling"))
