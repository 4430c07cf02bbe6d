"""`utad export`: the detector as a folder that needs no torch to score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from utad.detector import UTAD
from utad.errors import ConfigError, ExportError, NotFittedError
from utad.export.conversion import read_as_openvino, write_onnx, write_openvino
from utad.export.dependencies import require
from utad.export.exported import ExportedDetector
from utad.export.manifest import (
    GRAPH_NAMES,
    Format,
    Manifest,
    Precision,
    graph_digests,
    read_graph,
    write_manifest,
)
from utad.export.parity import Parity, compare, fabricated_samples
from utad.export.quantisation import quantise
from utad.export.runtimes import build_engine
from utad.files import atomic_directory, output_errors
from utad.scoring.network import DetectorNetwork
from utad.types import Sample

TOLERANCE = 1e-3
"""Largest relative difference of scores that an export in fp32 may have."""

PRECISIONS: Mapping[Format, tuple[Precision, ...]] = {"onnx": ("fp32",), "openvino": ("fp32", "bf16", "int8")}
"""The precisions of each format, the default first."""

_NEEDED: Mapping[Format, tuple[str, ...]] = {
    "onnx": ("onnx", "onnxscript", "onnxruntime"),
    "openvino": ("onnx", "onnxscript", "openvino"),
}
_RECORDED = ("utad", "torch", "onnx", "onnxscript", "onnxruntime", "openvino", "nncf")


def export_detector(
    detector: UTAD,
    output: Path,
    *,
    graph_format: Format,
    precision: Precision = "fp32",
    normal: Sequence[Sample] = (),
) -> Manifest:
    """Writes the whole detector, from uint8 image to score, map, mask and the images that explain them.

    Args:
        detector: fitted.
        output: a folder that does not exist yet or is empty.
        graph_format: `onnx` or `openvino`.
        precision: fp32; bf16 and int8 with OpenVINO alone.
        normal: normal images, needed for int8; the export is compared with the detector on them, or on a few
            fabricated images if there are none.

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
        require(module, graph_format)
    with atomic_directory(output) as folder:
        with output_errors(output):
            _write_graph(network, folder, graph_format, precision, normal)
        manifest = _manifest(detector, network, folder, graph_format, precision)
        parity = _measure(detector, manifest, folder, normal)
        if precision == "fp32" and (parity.score > TOLERANCE or parity.labels_flipped):
            raise ExportError(
                f"the exported scores differ by {parity.score:.2g} (relative, at most {TOLERANCE:g} is accepted) and "
                f"{parity.labels_flipped} of {parity.n_images} labels on {parity.images}: nothing is written. Update "
                "torch and the runtime, or report it with the model"
            )
        manifest.parity.update(parity.as_dict())
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
    network: DetectorNetwork, folder: Path, graph_format: Format, precision: Precision, normal: Sequence[Sample]
) -> None:
    target = folder / GRAPH_NAMES[graph_format][0]
    if graph_format == "onnx":
        write_onnx(network, target)
        return
    intermediate = folder / "intermediate.onnx"
    write_onnx(network, intermediate, boundaries=precision == "bf16")
    model = read_as_openvino(intermediate)
    if precision == "int8":
        model = quantise(model, normal, max_pixels=network.config.image.max_pixels)
    write_openvino(model, target)
    del model  # it may read its weights from the file until now
    intermediate.unlink()


def _manifest(
    detector: UTAD, network: DetectorNetwork, folder: Path, graph_format: Format, precision: Precision
) -> Manifest:
    return Manifest(
        format=graph_format,
        precision=precision,
        config=detector.config.model_dump(mode="json"),
        channels=network.channels,
        size=detector.config.image.size,
        threshold=detector.threshold,
        parity={},
        versions=_versions(),
        files=graph_digests(folder, graph_format),
    )


def _measure(detector: UTAD, manifest: Manifest, folder: Path, normal: Sequence[Sample]) -> Parity:
    engine = build_engine(manifest, read_graph(folder, manifest))
    exported = ExportedDetector(manifest, engine)
    samples = normal or fabricated_samples()
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
