"""The model file: safetensors with a manifest, checked down to the last bit before anything is believed.

Nothing is unpickled. The manifest, in the file's metadata, holds the format version, the config, the versions
of the packages that wrote it, and a sha256 over itself and every tensor.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from utad.errors import ModelFileError, OutputError
from utad.files import atomic_path
from utad.interpret.normal_images import NormalImages
from utad.models.migration import FORMAT_VERSION
from utad.run_folder import find_model
from utad.training_images import MANIFEST_KEY

_MANIFEST, _DIGEST = MANIFEST_KEY, "utad_sha256"
_IMAGES = "normal_images."


@dataclass(frozen=True)
class StoredModel:
    """What a model file holds.

    Attributes:
        manifest: plain JSON values.
        tensors: of the network, by name.
        normal_images: of the training; None where none are kept.
    """

    manifest: dict[str, Any]
    tensors: dict[str, Tensor]
    normal_images: NormalImages | None = None


def write_model(
    path: Path,
    manifest: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    *,
    normal_images: NormalImages | None = None,
) -> None:
    """Writes a model file atomically.

    Args:
        path: of the file.
        manifest: plain JSON values; format version and package versions are added.
        tensors: of the network.
        normal_images: of the training, to keep with it.

    Raises:
        OutputError: if the file cannot be written, or something other than a model stands there.
        ModelFileError: if a tensor holds values that are not finite.
    """
    if path.exists() and not _is_model(path):
        raise OutputError(f"{path} is there and is not a model of utad: choose another name, or delete it first")
    complete = {
        **manifest,
        "format": FORMAT_VERSION,
        "versions": {package: version(package) for package in ("utad", "torch", "timm", "safetensors")},
    }
    arrays = normal_images.arrays() if normal_images is not None else {}
    images = {f"{_IMAGES}{name}": torch.from_numpy(array) for name, array in arrays.items()}
    kept = {name: tensor.detach().cpu().contiguous() for name, tensor in {**tensors, **images}.items()}
    for name, tensor in kept.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ModelFileError(f"the model is not saved: its tensor {name} holds values that are not finite")
    text = json.dumps(complete, sort_keys=True)
    with atomic_path(path) as temporary:
        try:
            save_file(kept, temporary, metadata={_MANIFEST: text, _DIGEST: _digest(text, kept)})
        except SafetensorError as error:  # its writer wraps the operating system's errors
            raise OSError(str(error)) from error


def read_model(path: Path) -> StoredModel:
    """Reads and verifies a model file.

    Args:
        path: the file, or a run's folder that holds `model.safetensors`.

    Raises:
        ModelFileError: if it is missing, not a model of this package, damaged, or of a newer version.
    """
    path = find_model(path)
    with path.open("rb") as file:
        start = file.read(2)
    if start in (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"):
        raise ModelFileError(
            f"{path} is a pickle, not a safetensors model: it was not opened, since loading one runs its code. "
            "Use the model.safetensors that utad train writes"
        )
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError, ValueError, OverflowError) as error:
        raise ModelFileError(f"{path} is damaged or not a model file: {error}") from None
    if _MANIFEST not in metadata or _DIGEST not in metadata:
        raise ModelFileError(f"{path} is a safetensors file, but not a model of utad")
    if _digest(metadata[_MANIFEST], tensors) != metadata[_DIGEST]:
        raise ModelFileError(f"{path} is damaged: its content does not match its sha256. Copy it again, or retrain")
    manifest = _checked_manifest(path, metadata[_MANIFEST])
    images = {name: tensors.pop(name).numpy() for name in list(tensors) if name.startswith(_IMAGES)}
    arrays = {name.removeprefix(_IMAGES): array for name, array in images.items()}
    return StoredModel(manifest, tensors, NormalImages.of_arrays(arrays) if arrays else None)


def _is_model(path: Path) -> bool:
    try:
        with safe_open(path, framework="pt") as file:
            return _MANIFEST in (file.metadata() or {})
    except (SafetensorError, OSError, ValueError, OverflowError):
        return False


def _checked_manifest(path: Path, text: str) -> dict[str, Any]:
    try:
        manifest = json.loads(text)
    except ValueError:
        manifest = None
    if (
        not isinstance(manifest, dict)
        or not isinstance(manifest.get("format"), int)
        or not isinstance(manifest.get("versions"), dict)
    ):
        raise ModelFileError(f"{path} is a safetensors file with a manifest that utad did not write")
    if manifest["format"] > FORMAT_VERSION:
        raise ModelFileError(
            f"{path} has model format {manifest['format']} (written by utad {manifest['versions'].get('utad')}), and "
            f"this is utad {version('utad')}, which reads formats up to {FORMAT_VERSION}: update utad"
        )
    return manifest


def _digest(manifest: str, tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(manifest.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
