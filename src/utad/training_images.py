"""Knowing the images again that a model was trained on, so that nothing is measured on them."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

from safetensors import SafetensorError, safe_open

from utad.errors import ModelFileError
from utad.run_folder import find_model
from utad.types import Sample

_log = logging.getLogger(__name__)

MANIFEST_KEY = "utad_manifest"
"""Of the manifest in the metadata of a model file."""

EXPORT_MANIFEST = "manifest.json"
"""In an exported folder."""


def fingerprints(samples: Iterable[Sample]) -> list[str]:
    """Of the files of the samples, by their content: a copy under another name has the same. Pixels have none."""
    found = (_fingerprint(sample) for sample in samples)
    return sorted({one for one in found if one is not None})


def unseen(samples: Sequence[Sample], model: Path) -> list[Sample]:
    """The samples without the files that a model was trained on; how many those are is logged.

    Args:
        samples: to be evaluated or calibrated on.
        model: a model file, the folder of a run, or an exported folder.
    """
    kept = [sample for sample, known in zip(samples, known_images(samples, model), strict=True) if not known]
    if len(kept) < len(samples):
        _log.warning(
            "%d of %d images trained this model, and are left out: on them it looks better than it is",
            len(samples) - len(kept),
            len(samples),
        )
    return kept


def known_images(samples: Sequence[Sample], model: Path) -> list[bool]:
    """For each sample, whether it is a file that a model was trained on; as for `unseen`."""
    known = _trained_on(model)
    return [bool(known) and _fingerprint(sample) in known for sample in samples]


def _fingerprint(sample: Sample) -> str | None:
    if not isinstance(sample.image, Path):
        return None
    try:
        with sample.image.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except OSError:
        return None  # told where the image is read


def _trained_on(model: Path) -> frozenset[str]:
    """What the manifest says, without tensors and torch; a file that cannot be read is reported by who needs it."""
    try:
        if (model / EXPORT_MANIFEST).is_file():
            manifest = json.loads((model / EXPORT_MANIFEST).read_bytes())
            return frozenset(map(str, manifest.get("trained_on", ()))) if isinstance(manifest, dict) else frozenset()
        with safe_open(find_model(model), framework="numpy") as file:
            manifest = json.loads((file.metadata() or {}).get(MANIFEST_KEY, "{}"))
    except (ModelFileError, SafetensorError, OSError, ValueError):
        return frozenset()
    return frozenset(map(str, manifest.get("trained_on", ()))) if isinstance(manifest, dict) else frozenset()
