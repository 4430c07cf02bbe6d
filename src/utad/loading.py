"""MODEL, whatever it is: a model file, the folder of a run, or an exported folder; and what scores it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from utad.dependencies import extras_named
from utad.errors import ConfigError, InputError, MissingDependencyError, ModelFileError
from utad.export.exported import ExportedDetector
from utad.export.manifest import GRAPH_NAMES, MANIFEST_NAME, read_manifest
from utad.files import file_digest
from utad.interpret.explanation import NO_SHARES
from utad.predictor import Engine, Predictor
from utad.run_folder import GRAPH_FORMAT, find_model, how_to_write
from utad.types import EngineResult, Image

if TYPE_CHECKING:
    from utad.detector import UTAD

Runtime = Literal["auto", "torch", "openvino", "onnx"]

_LOGGER = logging.getLogger(__name__)


def load_detector(
    path: Path | str, *, runtime: Runtime = "auto", threads: int | None = None
) -> UTAD | ExportedDetector:
    """Reads a detector; torch is imported only where it is needed to compute it.

    Args:
        path: a model file, the folder of a run, or a folder that `utad export` wrote.
        runtime: `auto` takes the graph beside a model where it belongs to that very file, and PyTorch otherwise;
            `openvino` and `onnx` take the graph in the folder of that name and nothing else; `torch` takes none.
        threads: that read images and, with a graph, compute; None for all cores.

    Raises:
        ConfigError: if the runtime does not go with what `path` is.
        ModelFileError: if it is missing, damaged, not a model, or of a newer version; if the graph that was asked for
            is not there or belongs to another model.
        MissingDependencyError: if the runtime of an export is not installed, or PyTorch, where it is to compute.
    """
    path = Path(path)
    if is_export(path):
        exported = ExportedDetector.load(path, threads=threads)
        if runtime not in ("auto", exported.manifest.format):
            raise ConfigError(f"got --runtime {runtime} for {path}, which is an export for {exported.manifest.format}")
        return exported
    model = find_model(path)
    reason = "asked for"
    if runtime != "torch":
        folder = model.parent / (GRAPH_FORMAT if runtime == "auto" else runtime)
        try:
            return _open_graph(folder, model, threads=threads)
        except (ModelFileError, MissingDependencyError) as error:
            if runtime != "auto":
                raise
            reason = str(error)
    with extras_named(f". A folder that utad export wrote needs no PyTorch; here it has to compute: {reason}"):
        from utad.detector import UTAD
    detector = UTAD.load(model, threads=threads)
    _LOGGER.info("scoring with PyTorch: %s", reason)
    return detector


def exported_folder(path: Path | str) -> Path:
    """The folder of the exported graph that MODEL names: itself, or the one beside a model; never its PyTorch form.

    Args:
        path: as for `load_detector`.

    Raises:
        ModelFileError: if it is missing, damaged or not a model; if a model has no graph, or that of another model.
    """
    path = Path(path)
    if is_export(path):
        read_manifest(path)
        return path
    model = find_model(path)
    folder = model.parent / GRAPH_FORMAT
    _check_belongs(folder, model)
    return folder


def explaining_detector(path: Path, loaded: UTAD | ExportedDetector | None = None) -> UTAD | ExportedDetector:
    """A detector that tells what each component has of a score, as graphs of earlier versions do not.

    Args:
        path: as for `load_detector`.
        loaded: what was read there already; it is taken where it tells.

    Raises:
        InputError: for an exported folder of an earlier version.
        MissingDependencyError: if PyTorch is to compute, and is not installed.
        ModelFileError: if it is missing, damaged, not a model, or of a newer version.
    """
    detector = loaded if loaded is not None else load_detector(path)
    if not isinstance(detector, ExportedDetector) or detector.manifest.scored:
        return detector
    if is_export(path):
        raise InputError(NO_SHARES)
    with extras_named(". The graph beside the model is of an earlier version, which does not tell the shares"):
        from utad.detector import UTAD
    return UTAD.load(find_model(path))


def identity(path: Path, detector: Predictor) -> str:
    """What two detectors share that give the same scores to the last digit: the model, and what computes it.

    Args:
        path: that the detector was loaded from.
        detector: as `load_detector` gives it.
    """
    file = path / MANIFEST_NAME if is_export(path) else find_model(path)
    runtime = detector.manifest.format if isinstance(detector, ExportedDetector) else "torch"
    return f"{file_digest(file)} {runtime}"


def is_export(path: Path) -> bool:
    """Whether this is an exported folder, be it a damaged one."""
    known = (MANIFEST_NAME, *(name for names in GRAPH_NAMES.values() for name in names))
    return any((path / name).exists() for name in known)


class SixteenBitEngine:
    """The graph beside a model, of a version that takes 8 bits; images of 16 are scored by the model, in PyTorch.

    Args:
        graph: the engine of the graph.
        model: the model file that it belongs to.
    """

    same_size = True

    def __init__(self, graph: Engine, model: Path) -> None:
        self.max_batch = graph.max_batch
        self.streams = graph.streams
        self._graph = graph
        self._model = model.absolute()  # for a copy in another process

    def run(self, images: Sequence[Image], *, concurrent: bool = False) -> list[EngineResult]:
        """One result per image `(H, W, 3)`, all of one size.

        Raises:
            MissingDependencyError: if one has 16 bits and PyTorch is not installed.
        """
        shallow = [image for image in images if image.dtype == np.uint8]
        deep = [image for image in images if image.dtype != np.uint8]
        results = {
            True: iter(self._graph.run(shallow, concurrent=concurrent) if shallow else ()),
            False: iter(self._in_torch.run(deep) if deep else ()),
        }
        return [next(results[image.dtype == np.uint8]) for image in images]

    @cached_property
    def _in_torch(self) -> Engine:
        with extras_named(". PyTorch alone scores images of 16 bits"):
            from utad.detector import UTAD
        _LOGGER.info("images of 16 bits are scored with PyTorch")
        return UTAD.load(self._model).engine


def _open_graph(folder: Path, model: Path, *, threads: int | None) -> ExportedDetector:
    """The graph beside a model.

    Raises:
        ModelFileError: if there is none, or it is damaged or of another model.
        MissingDependencyError: if its runtime is not installed.
    """
    _check_belongs(folder, model)
    exported = ExportedDetector.load(folder, threads=threads)
    _LOGGER.info("scoring with the %s graph in %s", exported.manifest.format, folder)
    if exported.manifest.bits >= 16:
        return exported
    return ExportedDetector(exported.manifest, SixteenBitEngine(exported.engine, model), threads=threads)


def _check_belongs(folder: Path, model: Path) -> None:
    """Raises `ModelFileError` unless the folder holds the graph of this very model file."""
    if not is_export(folder):
        raise ModelFileError(f"there is no graph in {folder}: {how_to_write(folder, model)} writes one")
    if read_manifest(folder).model != file_digest(model):
        raise ModelFileError(
            f"the graph in {folder} belongs to another model, or to an earlier state of {model}: "
            f"{how_to_write(folder, model)} writes it anew"
        )
