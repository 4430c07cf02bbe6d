"""The runtimes that compute an exported graph, behind one call: uint8 images in, named arrays out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from utad.errors import ModelFileError, UTADError
from utad.export.dependencies import require
from utad.export.manifest import Format, Precision

INPUT = "image"
OUTPUTS = (
    *("pred_score", "raw_score", "anomaly_map", "pred_mask"),
    *("impression", "naive_impression", "reconstruction"),
)
"""What a graph gives, in this order."""

CUTS: tuple[tuple[str, str], ...] = (("prepared", "f32"), ("restored", "bf16"), ("seen", "f32"), ("stage", "bf16"))
"""A graph for bf16 is cut where networks and arithmetic meet: the tensors there, which it gives too, and the precision
of the part that computes them. What comes last is f32."""


def inner_outputs(count: int) -> list[str]:
    """Names of the `count` further outputs of a graph for bf16.

    They are x, the three restored images, and, where there is a backbone, what it sees and its stages.
    """
    names = ["prepared", *(f"restored_{index}" for index in range(1, 4)), "seen"]
    return [*names, *(f"stage_{index}" for index in range(1, count - len(names) + 1))][:count]


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

    In bf16 the graph is cut up, and only the networks compute in bf16: pixel positions beyond 256 do not exist in it,
    and distances, and images in even light, are differences of nearly equal values.
    """

    def __init__(self, graph: bytes, weights: bytes, precision: Precision) -> None:
        openvino = require("openvino", "openvino")
        core = openvino.Core()
        model = core.read_model(model=graph, weights=weights)
        # One image at a time, so that the compiler knows all shapes of the networks: faster than a batch of any size.
        model.reshape([1, -1, -1, 3])
        parts = []
        for prefix, hint in CUTS if precision == "bf16" else ():
            names = [name for name in _names(model.outputs) if name.startswith(prefix)]
            if names:
                first, model = _cut(openvino, model, names)
                parts.append((first, hint))
        parts.append((model, "f32"))
        # Compiling can give tensors further names, those of operations that it found to do nothing.
        self._names = [(_names(part.inputs), _names(part.outputs)) for part, _ in parts]
        self._parts = [core.compile_model(part, "CPU", _settings(hint)) for part, hint in parts]

    def run(self, images: NDArray[np.uint8]) -> Arrays:
        """Images `(N, H, W, 3)` to each of `OUTPUTS`."""
        results = [self._run_one(image[None]) for image in images]
        return {name: np.concatenate([arrays[name] for arrays in results]) for name in OUTPUTS}

    def _run_one(self, image: NDArray[np.uint8]) -> Arrays:
        arrays: dict[str, Any] = {INPUT: image}
        for part, (inputs, outputs) in zip(self._parts, self._names, strict=True):
            results = part([arrays[name] for name in inputs])
            arrays |= {name: results[index] for index, name in enumerate(outputs)}
        return arrays


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
    except UTADError:
        raise
    except Exception as error:  # ONNX Runtime's errors have no base class of their own
        reason = " ".join(str(error).split())
        raise ModelFileError(
            f"the installed {graph_format} runtime does not accept the exported graph, which is undamaged: update it, "
            f"or run utad export again ({reason})"
        ) from None


def _settings(precision: str) -> dict[str, str]:
    return {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}


def _cut(openvino: Any, model: Any, names: Sequence[str]) -> tuple[Any, Any]:
    """The graph up to its outputs `names`, and the rest of it, of which these are inputs.

    Every tensor keeps its name: what one part gives is what the next one takes.
    """
    kept = [result for result in model.get_results() if result.output(0).get_any_name() not in names]
    sources = [model.output(name).get_node().input_value(0) for name in names]
    first = openvino.Model(sources, model.get_parameters(), "first")
    inside = {node.get_friendly_name() for node in first.get_ops()}
    parameters = []
    for name, source in zip(names, sources, strict=True):
        parameter = openvino.opset13.parameter(source.get_partial_shape(), source.get_element_type(), name=name)
        parameter.output(0).set_names({name})
        for consumer in source.get_target_inputs():
            # The first part may use its own outputs, as the backbone does with the impression.
            if consumer.get_node().get_friendly_name() not in inside:
                consumer.replace_source_output(parameter.output(0))
        parameters.append(parameter)
    return first, openvino.Model(kept, [*model.get_parameters(), *parameters], "rest")


def _names(ports: Sequence[Any]) -> list[str]:
    return [str(port.get_any_name()) for port in ports]
