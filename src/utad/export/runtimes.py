"""The engine of an exported folder; what it needs is imported when it is made."""

from __future__ import annotations

from collections.abc import Mapping

from utad.export.engines import Engine, runtime_errors
from utad.export.manifest import Manifest
from utad.export.onnx_engine import OnnxEngine
from utad.export.openvino_engine import OpenVinoEngine


def build_engine(manifest: Manifest, contents: Mapping[str, bytes]) -> Engine:
    """The engine of an exported folder.

    Args:
        manifest: of the folder.
        contents: the graph files in the order of `GRAPH_NAMES`.

    Raises:
        MissingDependencyError: if the runtime is not installed.
        ModelFileError: if the runtime does not accept the graph.
    """
    with runtime_errors(manifest.format):
        if manifest.format == "onnx":
            (graph,) = contents.values()
            return OnnxEngine(graph, size=manifest.size)
        graph, weights = contents.values()
        return OpenVinoEngine(graph, weights, manifest.precision, size=manifest.size)
