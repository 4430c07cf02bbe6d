"""`utad export`: the detector as a folder that needs no torch to score."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Protocol

from utad.config import Config
from utad.data.colour_order import ColourOrder
from utad.data.geometry import Geometry
from utad.dependencies import require
from utad.errors import ConfigError, ExportError, NotFittedError
from utad.export.conversion import keep_single_precision, to_openvino, write_onnx, write_openvino
from utad.export.exported import open_engine
from utad.export.graph import MaskRule
from utad.export.kept_images import KEPT_IMAGES_NAME, images_scored_by, write_kept_images
from utad.export.manifest import (
    GRAPH_NAMES,
    MANIFEST_NAME,
    Format,
    Manifest,
    Precision,
    digests,
    write_manifest,
)
from utad.export.parity import Parity, compare, fabricated_samples
from utad.export.quantisation import quantise
from utad.files import atomic_directory, file_digest, output_errors
from utad.interpret.normal_images import NormalImages
from utad.predictor import Predictor
from utad.scoring.network import DetectorNetwork
from utad.types import Outcome, Sample

TOLERANCE = 1e-3
"""Largest relative difference of scores that an export in fp32 may have."""

PRECISIONS: Mapping[Format, tuple[Precision, ...]] = {"onnx": ("fp32",), "openvino": ("fp32", "bf16", "int8")}
"""The precisions of each format, the default first."""

_NEEDED: Mapping[Format, tuple[str, ...]] = {
    "onnx": ("onnx", "onnxscript", "onnxruntime"),
    "openvino": ("openvino",),
}
_RECORDED = ("utad", "torch", "onnx", "onnxscript", "onnxruntime", "openvino", "nncf")


class Fitted(Protocol):
    """A detector that can be exported: `UTAD`."""

    threshold: float
    fail_threshold: float | None
    normal_scores: tuple[float, ...]
    normal_images: NormalImages | None
    trained_on: tuple[str, ...]
    colour_order: ColourOrder | None
    geometry: Geometry

    @property
    def config(self) -> Config:
        """The resolved config."""

    @property
    def network_(self) -> DetectorNetwork | None:
        """None before it is fitted."""

    def predict_samples(self, samples: Sequence[Sample], *, batch_size: int = 8) -> Iterator[Outcome]:
        """What the export is compared with."""


def export_detector(
    detector: Fitted,
    output: Path,
    *,
    graph_format: Format,
    precision: Precision = "fp32",
    normal: Sequence[Sample] = (),
    model: Path | None = None,
    replace: bool = False,
) -> Manifest:
    """Writes the whole detector, from uint8 image to score, map, mask and the images that explain them.

    Args:
        detector: fitted.
        output: a folder that does not exist yet or is empty.
        graph_format: `onnx` or `openvino`.
        precision: fp32; bf16 and int8 with OpenVINO alone.
        normal: normal images, needed for int8; the export is compared with the detector on them, or on a few
            fabricated images if there are none.
        model: the model file that the graph belongs to; scoring takes it only as long as that file is what it was.
        replace: an earlier export in the folder is removed when this one is complete, if nothing else is in it.

    Returns:
        What was written, with the differences found.

    Raises:
        ConfigError: if format and precision do not go together, or int8 lacks images.
        ExportError: if the scores of an export in fp32 differ; nothing is written.
        ImageReadError: naming a normal image that cannot be read.
        MissingDependencyError: if a package is not installed.
        NotFittedError: before `fit`.
        OutputError: if the folder is taken or cannot be written.
    """
    check_precision(graph_format, precision, has_images=bool(normal))
    network = detector.network_
    if network is None:
        raise NotFittedError("the detector is not fitted: call fit, or UTAD.load a model")
    for module in _NEEDED[graph_format]:
        require(module)
    earlier = (MANIFEST_NAME, KEPT_IMAGES_NAME, *GRAPH_NAMES[graph_format]) if replace else ()
    with atomic_directory(output, replaces=earlier) as folder:
        with output_errors(output):
            _write_graph(detector, network, folder, graph_format, precision, normal)
        manifest = _manifest(detector, network, folder, graph_format, precision, model)
        exported = Predictor(
            open_engine(folder, manifest),
            threshold=detector.threshold,
            mask=detector.config.mask,
            max_pixels=detector.config.image.max_pixels,
        )
        parity = _measure(detector, exported, normal)
        if precision == "fp32" and (parity.score > TOLERANCE or parity.labels_flipped):
            raise ExportError(
                f"the exported scores differ by {parity.score:.2g} (relative, at most {TOLERANCE:g} is accepted) and "
                f"{parity.labels_flipped} of {parity.n_images} labels on {parity.images}: nothing is written. Update "
                "torch and the runtime, or report it with the model"
            )
        manifest.parity.update(parity.as_dict())
        images = _kept_images(detector, network, exported, precision, normal)
        if images is not None:
            with output_errors(output):
                write_kept_images(folder, images)
            manifest.files.update(digests(folder))
        write_manifest(folder, manifest)
    return manifest


def check_precision(graph_format: Format, precision: Precision, *, has_images: bool) -> None:
    """Whether this can be exported.

    Raises:
        ConfigError: if format and precision do not go together, or int8 lacks images.
    """
    if precision not in PRECISIONS[graph_format]:
        raise ConfigError(f"got --format onnx with --precision {precision}: only --format openvino has bf16 and int8")
    if precision == "int8" and not has_images:
        raise ConfigError("--precision int8 needs normal images to find the ranges of values: give --normal DIR")


def _write_graph(
    detector: Fitted,
    network: DetectorNetwork,
    folder: Path,
    graph_format: Format,
    precision: Precision,
    normal: Sequence[Sample],
) -> None:
    target = folder / GRAPH_NAMES[graph_format][0]
    mask = MaskRule(detector.config.mask, detector.threshold)
    if graph_format == "onnx":
        write_onnx(network, target, mask)
        return
    graph = to_openvino(network, mask, boundaries=precision == "bf16")
    if precision == "int8":
        graph = quantise(
            graph,
            normal,
            max_pixels=detector.config.image.max_pixels,
            geometry=detector.geometry,
        )
    if precision != "bf16":
        keep_single_precision(graph)
    write_openvino(graph, target)


def _manifest(
    detector: Fitted,
    network: DetectorNetwork,
    folder: Path,
    graph_format: Format,
    precision: Precision,
    model: Path | None,
) -> Manifest:
    return Manifest(
        format=graph_format,
        precision=precision,
        config=detector.config.model_dump(mode="json"),
        channels=network.channels,
        size=network.size,
        threshold=detector.threshold,
        parity={},
        versions=_versions(),
        files=digests(folder),
        fail_threshold=detector.fail_threshold,
        normal_scores=list(detector.normal_scores),
        trained_on=list(detector.trained_on),
        colour_order=asdict(detector.colour_order) if detector.colour_order is not None else None,
        components=list(network.measurement.component_names),
        model=file_digest(model) if model is not None else None,
        slope=network.normalisation.of_image().slope if detector.geometry.needs_slope else None,
        bits=16,
        code=network.gives_code,
        scored=list(network.measurement.scored),
        **detector.geometry.as_dict(),
    )


def _kept_images(
    detector: Fitted, network: DetectorNetwork, exported: Predictor, precision: Precision, normal: Sequence[Sample]
) -> NormalImages | None:
    """The normal images that are kept beside the graph, if the model keeps any."""
    if detector.normal_images is None or not network.gives_code:
        return None
    # Rounded networks give other codes, by more than normal images differ: theirs are of images that they have seen.
    if precision == "fp32" or not normal or detector.geometry.tiling is not None:
        return detector.normal_images
    return images_scored_by(
        exported,
        normal,
        side=network.size,
        max_pixels=detector.config.image.max_pixels,
        max_bytes=round(1e6 * detector.config.explain.max_megabytes),
    )


def _measure(detector: Fitted, exported: Predictor, normal: Sequence[Sample]) -> Parity:
    tiling = detector.geometry.tiling
    samples = normal or fabricated_samples(None if tiling is None else tiling.side)
    images = f"{len(samples)} normal images" if normal else f"{len(samples)} fabricated images"
    return compare(detector.predict_samples, exported.predict_samples, samples, images=images)


def _versions() -> dict[str, str]:
    found = {}
    for package in _RECORDED:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
