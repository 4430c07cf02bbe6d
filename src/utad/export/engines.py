"""The runtimes that compute an exported graph, behind one call: uint8 images in, named arrays out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from utad.errors import ModelFileError
from utad.export.dependencies import require
from utad.export.manifest import Format, Precision

INPUT = "image"
PREPARED = "prepared"
OUTPUTS = (
    *("pred_score", "raw_score", "anomaly_map", "pred_mask"),
    *("impression", "naive_impression", "reconstruction"),
)
"""What a graph gives, in this order; after these `prepared`, what the networks see."""

Arrays = Mapping[str, NDArray[Any]]


class Engine(Protocol):
    """A graph that is ready to compute."""

    def run(self, images: NDArray[np.uint8]) -> Arrays:
        """Images `(N, H, W, 3)` to each of `OUTPUTS`."""


class OnnxEngine:
    """ONNX Runtime on the CPU, with all its cores."""

    def __init__(self, graph: bytes) -> None:
        self._session = require("onnxruntime", "onnx").InferenceSession(graph, providers=["CPUExecutionProvider"])

    def run(self, images: NDArray[np.uint8]) -> Arrays:
        """Images `(N, H, W, 3)` to each of `OUTPUTS`."""
        return dict(zip(OUTPUTS, self._session.run(list(OUTPUTS), {INPUT: images}), strict=True))


class OpenVinoEngine:
    """OpenVINO on the CPU, told its precision: left alone it computes in bf16 where the CPU has it.

    In bf16 the images are prepared in fp32 all the same, by a graph of its own: pixel positions beyond 256 do not
    exist in bf16.
    """

    def __init__(self, graph: bytes, weights: bytes, precision: Precision) -> None:
        openvino = require("openvino", "openvino")
        core = openvino.Core()
        model = core.read_model(model=graph, weights=weights)
        self._prepare: Any = None
        if precision == "bf16":
            first, model = _cut(openvino, model)
            self._prepare = core.compile_model(first, "CPU", _settings("f32"))
        self._compiled = core.compile_model(model, "CPU", _settings("bf16" if precision == "bf16" else "f32"))

    def run(self, images: NDArray[np.uint8]) -> Arrays:
        """Images `(N, H, W, 3)` to each of `OUTPUTS`."""
        inputs = {INPUT: images}
        if self._prepare is not None:
            inputs[PREPARED] = self._prepare(inputs)[PREPARED]
        results = self._compiled(inputs)
        return {name: results[name] for name in OUTPUTS}


def build_engine(graph_format: Format, precision: Precision, contents: Mapping[str, bytes]) -> Engine:
    """The engine of a format.

    Args:
        graph_format: of the graph.
        precision: to compute in.
        contents: the graph files in the order of `GRAPH_NAMES`.

    Raises:
        MissingDependencyError: if the runtime is not installed.
        ModelFileError: if the runtime does not accept the graph.
    """
    try:
        if graph_format == "onnx":
            (graph,) = contents.values()
            return OnnxEngine(graph)
        graph, weights = contents.values()
        return OpenVinoEngine(graph, weights, precision)
    except RuntimeError as error:  # the base of what both runtimes raise
        reason = " ".join(str(error).split())
        raise ModelFileError(
            f"the installed {graph_format} runtime does not accept the exported graph, which is undamaged: update it, "
            f"or run utad export again ({reason})"
        ) from None


def _settings(precision: str) -> dict[str, str]:
    return {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}


def _cut(openvino: Any, model: Any) -> tuple[Any, Any]:
    """The graph up to what the networks see, and the rest of it."""
    source = model.output(PREPARED).get_node().input_value(0)
    consumers = [entry for entry in source.get_target_inputs() if entry.get_node().get_type_name() != "Result"]
    parameter = openvino.opset13.parameter(source.get_partial_shape(), source.get_element_type(), name=PREPARED)
    parameter.output(0).set_names({PREPARED})
    first = openvino.Model([source], model.get_parameters(), "prepare")
    first.output(0).set_names({PREPARED})
    for entry in consumers:
        entry.replace_source_output(parameter.output(0))
    results = [result for result in model.get_results() if result.input_value(0) != source]
    return first, openvino.Model(results, [*model.get_parameters(), parameter], "detect")
