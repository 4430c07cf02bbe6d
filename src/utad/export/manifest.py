"""`manifest.json` of an exported folder: what the graph is, and a sha256 of it and of everything beside it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from utad.errors import ModelFileError
from utad.files import write_atomically

MANIFEST_NAME = "manifest.json"
KIND = "utad export"
FORMAT_VERSION = 1

Format = Literal["onnx", "openvino"]
Precision = Literal["fp32", "bf16", "int8"]

GRAPH_NAMES: Mapping[Format, tuple[str, ...]] = {
    "onnx": ("detector.onnx",),
    "openvino": ("detector.xml", "detector.bin"),
}
"""The graph files of each format."""

_AGAIN = "copy it again, or run utad export again"


@dataclass(frozen=True)
class Manifest:
    """What an exported folder holds.

    Attributes:
        format: of the graph, and the runtime that reads it.
        precision: that the graph was made for.
        config: the resolved config, as plain values.
        channels: that the networks see, 1 or 3.
        size: S, the side of the images that they see.
        threshold: on the normalised score.
        parity: how far the export is from the detector it was made of.
        versions: of the packages that wrote it.
        files: sha256 by name of each graph file, and of the normal images where they are kept beside it.
        components: names of the score components whose maps the graph gives.
        fail_threshold: that of the band `fail`; None for `threshold`.
        normal_scores: normalised scores of the normal images that set the thresholds, ascending.
        model: sha256 of the model file that the graph belongs to; None for an export that stands alone.
        trained_on: fingerprints of the images that the detector was trained on.
        calibrations: what earlier calibrations of this export replaced, the oldest first.
        colour_order: that of the detector, as plain values; None where it has none.
        region: of interest, as `RegionOfInterest.as_dict` has it; None where the whole image counts.
        tiling: as `Tiling.as_dict` has it: the graph takes tiles, which whoever runs it cuts and puts together. None
            where it takes whole images.
        alignment: as `Alignment.as_dict` has it: the graph takes aligned images, which whoever runs it registers. None
            where it takes them as they lie.
        letterbox: as `Letterbox.as_dict` has it: the graph takes framed images, which whoever runs it frames. None
            where it takes them as they are.
        slope: of the normalised score over the raw one, where either is there.
        bits: of the images that can be scored: 16, or 8 for graphs of earlier versions.
        code: whether the graph gives what an image looks like; those of earlier versions do not.
        scored: the components whose shares of the score the graph gives; none in those of earlier versions.
    """

    format: Format
    precision: Precision
    config: dict[str, Any] = field(repr=False)
    channels: int
    size: int
    threshold: float
    parity: dict[str, Any]
    versions: dict[str, str]
    files: dict[str, str]
    components: list[str] = field(default_factory=list)
    fail_threshold: float | None = None
    normal_scores: list[float] = field(default_factory=list, repr=False)
    model: str | None = None
    trained_on: list[str] = field(default_factory=list, repr=False)
    calibrations: list[dict[str, Any]] = field(default_factory=list)
    colour_order: dict[str, Any] | None = field(default=None, repr=False)
    region: dict[str, Any] | None = field(default=None, repr=False)
    tiling: dict[str, Any] | None = None
    alignment: dict[str, Any] | None = field(default=None, repr=False)
    letterbox: dict[str, Any] | None = field(default=None, repr=False)
    slope: float | None = None
    bits: int = 8
    code: bool = False
    scored: list[str] = field(default_factory=list)


def write_manifest(folder: Path, manifest: Manifest) -> Path:
    """Writes `manifest.json` atomically, with a sha256 of its own content, and returns its path.

    Raises:
        OutputError: if that is not possible.
    """
    content = {"kind": KIND, "format_version": FORMAT_VERSION, **asdict(manifest)}
    for name in ("region", "tiling", "alignment", "letterbox", "slope"):
        if content[name] is None:
            del content[name]  # as before there were any
    text = json.dumps({**content, "sha256": _digest(content)}, indent=2, sort_keys=True, allow_nan=False) + "\n"
    path = folder / MANIFEST_NAME
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
    return path


def read_manifest(folder: Path) -> Manifest:
    """Reads and verifies the manifest of an exported folder.

    Raises:
        ModelFileError: if it is missing, damaged, not of an export of utad, or of a newer version.
    """
    path = folder / MANIFEST_NAME
    if not path.is_file():
        raise ModelFileError(f"the exported folder {folder} holds no {MANIFEST_NAME}: {_AGAIN}")
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{path} is damaged ({error}): {_AGAIN}") from None
    if not isinstance(content, dict) or content.get("kind") != KIND:
        raise ModelFileError(
            f"{path} is not the manifest of an export of utad: expected a folder that utad export wrote"
        )
    _refuse_newer(path, content)
    digest = content.pop("sha256", None)
    if digest != _digest(content):
        raise ModelFileError(f"{path} is damaged or was edited, its content does not match its sha256: {_AGAIN}")
    del content["kind"], content["format_version"]
    try:
        manifest = Manifest(**content)
    except TypeError as error:
        raise ModelFileError(f"{path} is not complete ({error}): {_AGAIN}") from None
    if manifest.format not in GRAPH_NAMES:
        raise ModelFileError(f"{path} is of an unknown format {manifest.format!r}: expected {', '.join(GRAPH_NAMES)}")
    return manifest


def read_graph(folder: Path, manifest: Manifest) -> dict[str, bytes]:
    """The graph files by name; what is returned is what was verified.

    Raises:
        ModelFileError: if a file is missing or does not match its sha256.
    """
    return {name: read_verified(folder, name, manifest) for name in GRAPH_NAMES[manifest.format]}


def read_verified(folder: Path, name: str, manifest: Manifest) -> bytes:
    """The content of a file that the manifest names.

    Raises:
        ModelFileError: if it is missing or does not match its sha256.
    """
    path = folder / name
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read ({error.strerror or error}): {_AGAIN}") from None
    if hashlib.sha256(content).hexdigest() != manifest.files.get(name):
        raise ModelFileError(f"{path} is damaged, its content does not match its sha256: {_AGAIN}")
    return content


def digests(folder: Path) -> dict[str, str]:
    """The sha256 by name of the files in a folder."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def _refuse_newer(path: Path, content: Mapping[str, Any]) -> None:
    number, versions = content.get("format_version"), content.get("versions")
    if not isinstance(number, int) or not isinstance(versions, dict):
        raise ModelFileError(f"{path} is damaged, it names no format version: {_AGAIN}")
    if number > FORMAT_VERSION:
        raise ModelFileError(
            f"{path} has export format {number} (written by utad {versions.get('utad')}), and this is utad "
            f"{version('utad')}, which reads formats up to {FORMAT_VERSION}: update utad"
        )


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
