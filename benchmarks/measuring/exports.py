"""The exported detectors that are timed beside the eager ones: which, and how they are made."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from measuring.subjects import CALIBRATION_IMAGES, camera_images, samples_of
from utad import UTAD
from utad.config.loading import PRESETS
from utad.export.manifest import Format, Precision
from utad.export.writing import PRECISIONS, export_detector


@dataclass(frozen=True)
class Export:
    """A preset's detector for a runtime, in a precision."""

    preset: str
    runtime: Format
    precision: Precision

    @property
    def name(self) -> str:
        """As it stands in the results: `PRESET-RUNTIME-PRECISION`."""
        return f"{self.preset}-{self.runtime}-{self.precision}"


KNOWN = {
    export.name: export
    for preset in PRESETS
    for runtime, precisions in PRECISIONS.items()
    for export in (Export(preset, runtime, precision) for precision in precisions)
}
"""Every export by name."""

DEFAULTS = ("fast-onnx-fp32", "fast-openvino-bf16", "balanced-onnx-fp32")
"""What is timed where nothing else is asked for; OpenVINO in fp32 is the graph beside each model."""


def add_exports_argument(parser: argparse.ArgumentParser) -> None:
    """`--exports NAME ...`, to be read by `exports_of`."""
    parser.add_argument(
        "--exports",
        nargs="*",
        choices=KNOWN,
        default=DEFAULTS,
        metavar="PRESET-RUNTIME-PRECISION",
        help=f"exported detectors that are made and timed too; {' '.join(DEFAULTS)} unless given",
    )


def exports_of(names: Sequence[str], presets: Collection[str]) -> list[Export]:
    """The exports of these names; those of presets that are not measured are left out."""
    return [export for export in map(KNOWN.__getitem__, names) if export.preset in presets]


def write_exports(models: Mapping[str, Path], exports: Sequence[Export], folder: Path) -> dict[str, Path]:
    """Exports the models of the presets; the folder of each export by its name.

    Args:
        models: of each preset, its model file or its run's folder.
        exports: of these presets.
        folder: to write to.
    """
    written = {}
    for export in exports:
        written[export.name] = folder / export.name
        normal = samples_of(camera_images(CALIBRATION_IMAGES)) if export.precision == "int8" else ()
        export_detector(
            UTAD.load(models[export.preset]),
            written[export.name],
            graph_format=export.runtime,
            precision=export.precision,
            normal=normal,
        )
    return written
