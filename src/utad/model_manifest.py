"""What a model file says beside its tensors, and a detector made anew from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from utad.config import Config
from utad.data.colour_order import ColourOrder
from utad.data.geometry import Geometry
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
    return {
        "config": config.model_dump(mode="json"),
        "channels": channels,
        "threshold": detector.threshold,
        "fail_threshold": detector.fail_threshold,
        "calibrations": [asdict(past) for past in detector.calibrations],
        "trained_on": list(trained_on),
        "colour_order": asdict(detector.colour_order) if detector.colour_order is not None else None,
        **detector.geometry.as_dict(),  # Without any it is written as before there was one.
    }


def restore(detector: Predictor, manifest: Mapping[str, Any]) -> None:
    """Gives a detector what a manifest says of thresholds, colours and geometry."""
    detector.threshold = float(manifest["threshold"])
    detector.fail_threshold = manifest.get("fail_threshold")
    detector.calibrations = past_calibrations(manifest.get("calibrations", ()))
    detector.colour_order = ColourOrder.of(manifest.get("colour_order"))
    detector.geometry = Geometry.of(manifest)
