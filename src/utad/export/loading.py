"""MODEL, whatever it is: a model file, the folder of a run, or an exported folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from utad.export.exported import ExportedDetector
from utad.export.manifest import GRAPH_NAMES, MANIFEST_NAME

if TYPE_CHECKING:
    from utad.detector import UTAD


def load_detector(path: Path | str) -> UTAD | ExportedDetector:
    """Reads a detector; torch is imported only where it is needed to compute it.

    Args:
        path: a model file, the folder of a run, or a folder that `utad export` wrote.

    Raises:
        ModelFileError: if it is missing, damaged, not a model, or of a newer version.
        MissingDependencyError: if the runtime of an export is not installed.
    """
    if is_export(Path(path)):
        return ExportedDetector.load(path)
    from utad.detector import UTAD

    return UTAD.load(path)


def is_export(path: Path) -> bool:
    """Whether this is an exported folder, be it a damaged one."""
    known = (MANIFEST_NAME, *(name for names in GRAPH_NAMES.values() for name in names))
    return any((path / name).exists() for name in known)
