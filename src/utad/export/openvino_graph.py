"""OpenVINO on the CPU: an exported graph, compiled for what is asked of it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from queue import SimpleQueue
from threading import Lock
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from utad.data.streaming import BATCH_PIXELS
from utad.dependencies import require
from utad.export.graph_io import CUTS, INPUT, PLACE, PREPARED
from utad.export.manifest import Precision
from utad.export.runtime import Arrays, best_batch, runtime_errors, usable_cores

MOST_PADDED = 8
"""Batches that are filled up before single images get a graph of their own: compiling it takes as long."""


class OpenVinoGraph:
    """Compiles the graph when it is first needed, for single images on all cores or for one batch per core.

    OpenVINO is told its precision: left alone it computes in bf16 where the CPU has it. In bf16 the graph is cut up,
    and only the networks compute in bf16: pixel positions beyond 256 do not exist in it, and distances, and images with
    normalised illumination, are differences of nearly equal values.

    Args:
        graph: the model's `.xml`.
        weights: its `.bin`.
        precision: to compute in.
        size: S, the side of the images that the networks see.
        threads: cores to use; None for all.
    """

    def __init__(
        self, graph: bytes, weights: bytes, precision: Precision, *, size: int, threads: int | None = None
    ) -> None:
        self._openvino = require("openvino")
        self._core = _core(os.getpid())
        # Its binding to NumPy is set up at the first use, and two threads that do so at once wait for each other
        # for ever.
        _ = self._openvino.Tensor(np.zeros(1, np.uint8)).data
        self._model = self._core.read_model(model=graph, weights=weights)
        self._precision = precision
        self._lock = Lock()
        self._compiled: dict[tuple[Any, ...], CompiledGraph] = {}
        self._padded = 0
        self._first_size: tuple[int, int] | None = None
        self.max_batch = best_batch(size)
        self.streams = usable_cores(threads)
        self._threads = threads

    def run(
        self,
        images: NDArray[np.uint8],
        names: Sequence[str],
        *,
        places: NDArray[np.int64] | None = None,
        concurrent: bool = False,
    ) -> Arrays:
        """Images `(N, H, W, 3)` to the named outputs; one by one on all cores, or concurrently, at most `max_batch`."""
        given = len(images)
        if not concurrent or not self._worth_filling(images):
            graph = self._graph((1, *images.shape[1:3]), names, concurrent=concurrent)
            alone = [slice(index, index + 1) for index in range(given)]
            results = [graph.run(images[one], {} if places is None else {PLACE: places[one]}) for one in alone]
            return {name: np.concatenate([arrays[name] for arrays in results]) for name in names}
        missing = self.max_batch - given
        filled = np.concatenate([images, np.repeat(images[-1:], missing, axis=0)])
        at = {} if places is None else {PLACE: np.concatenate([places, np.repeat(places[-1:], missing)])}
        arrays = self._graph(filled.shape[:3], names, concurrent=True).run(filled, at)
        return {name: arrays[name][:given] for name in names}

    def run_prepared(
        self,
        prepared: NDArray[np.float32],
        size: tuple[int, int],
        names: Sequence[str],
        *,
        places: NDArray[np.int64] | None = None,
        concurrent: bool = False,
    ) -> Arrays:
        """An image `(C, S, S)` in [0, 1], as the networks see it, to the named outputs at the size `(H, W)`."""
        graph = self._graph((1, *size), names, concurrent=concurrent, prepared=True)
        # Of the image itself its size alone is looked at.
        at = {} if places is None else {PLACE: places}
        arrays = graph.run(np.zeros((1, *size, 3), np.uint8), {PREPARED: prepared[None], **at})
        return {name: arrays[name] for name in names}

    def _worth_filling(self, images: NDArray[np.uint8]) -> bool:
        count, height, width, _ = images.shape
        if count == self.max_batch:
            return True
        if self.max_batch * height * width > BATCH_PIXELS:
            return False  # so large that they come one by one
        with self._lock:
            self._padded += 1
            return self._padded <= MOST_PADDED

    def _graph(
        self, shape: tuple[int, ...], names: Sequence[str], *, concurrent: bool, prepared: bool = False
    ) -> CompiledGraph:
        """The graph for batches of shape `(N, H, W)`; the compiler knows H and W of the first images that came."""
        count, *size = shape
        with self._lock:
            self._first_size = self._first_size or (size[0], size[1])
            known = self._first_size if tuple(size) == self._first_size else (-1, -1)
            key = (count, known, tuple(names), concurrent, prepared)
            if key not in self._compiled:
                with runtime_errors("openvino"):
                    self._compiled[key] = self._compile(
                        [count, *known, 3], names, concurrent=concurrent, prepared=prepared
                    )
            return self._compiled[key]

    def _compile(self, shape: list[int], names: Sequence[str], *, concurrent: bool, prepared: bool) -> CompiledGraph:
        model = self._model.clone()
        # What the compiler knows of the shape it need not work out for every image.
        known = {INPUT: shape, PLACE: shape[:1]}
        model.reshape({name: known[name] for name in tensor_names(model.inputs)})
        model = _giving(self._openvino, model, (*names, PREPARED) if prepared else names)
        if prepared:
            _, model = _cut(self._openvino, model, [PREPARED])
        parts = []
        for prefix, precision in CUTS if self._precision == "bf16" else ():
            inner = [name for name in tensor_names(model.outputs) if name.startswith(prefix)]
            if inner:
                first, model = _cut(self._openvino, model, inner)
                parts.append((first, precision))
        parts.append((model, "f32"))
        streams = self.streams if concurrent else 1
        settings: dict[str, Any] = {"PERFORMANCE_HINT": "THROUGHPUT" if concurrent else "LATENCY"}
        settings |= {"NUM_STREAMS": streams}
        if self._threads is not None:
            settings["INFERENCE_NUM_THREADS"] = self._threads
        return CompiledGraph(
            [
                # Compiling can give tensors further names, those of operations that it found to do nothing.
                Part(
                    self._core.compile_model(part, "CPU", {**settings, "INFERENCE_PRECISION_HINT": precision}),
                    tensor_names(part.inputs),
                    tensor_names(part.outputs),
                )
                for part, precision in parts
            ],
            streams,
        )


@dataclass(frozen=True)
class Part:
    """A compiled model, and the tensors that it takes and gives."""

    compiled: Any
    inputs: list[str]
    outputs: list[str]


class CompiledGraph:
    """Compiled models, each of which takes what those before it gave; for several threads at once.

    Args:
        parts: in order.
        streams: threads that can compute at once; others wait.
    """

    def __init__(self, parts: Sequence[Part], streams: int) -> None:
        self.parts = parts
        self._free: SimpleQueue[list[Any]] = SimpleQueue()
        for _ in range(streams):
            self._free.put([part.compiled.create_infer_request() for part in parts])

    def run(self, images: NDArray[np.uint8], given: Mapping[str, NDArray[Any]] = MappingProxyType({})) -> Arrays:
        """Images `(N, H, W, 3)`, as many as it was compiled for, to everything that the parts give.

        Args:
            images: what the graph takes.
            given: by name, what else the parts take and none of them gives.
        """
        arrays: dict[str, Any] = {INPUT: images, **given}
        requests = self._free.get()
        try:
            for part, request in zip(self.parts, requests, strict=True):
                results = request.infer([arrays[name] for name in part.inputs])
                arrays |= {name: results[index] for index, name in enumerate(part.outputs)}
        finally:
            self._free.put(requests)
        return arrays


@cache
def _core(process: int) -> Any:
    """OpenVINO's core, one per process and never destroyed.

    Its CPU plugin gives the thread that loads it a stack for signals, and gives back the stack of before when it is
    destroyed. Of two that do not end in reverse order the second gives back the unmapped stack of the first, and the
    next signal, a Ctrl-C say, ends the process with SIGSEGV (OpenVINO 2026.4).
    """
    del process  # what a fork leaves of the parent's core is of no use
    return require("openvino").Core()


def tensor_names(ports: Sequence[Any]) -> list[str]:
    """The name of each input or output of a model."""
    return [str(port.get_any_name()) for port in ports]


def _giving(openvino: Any, model: Any, names: Sequence[str]) -> Any:
    """The graph of the named outputs alone, and of those for a cut that their computation passes through."""
    wanted = [result for result in model.get_results() if _name_of(result) in names]
    needed = {node.get_friendly_name() for node in openvino.Model(wanted, model.get_parameters(), "wanted").get_ops()}
    inner = tuple(prefix for prefix, _ in CUTS)
    passed = [
        result
        for result in model.get_results()
        if _name_of(result).startswith(inner) and result.input_value(0).get_node().get_friendly_name() in needed
    ]
    return openvino.Model([*wanted, *passed], model.get_parameters(), "detector")


def _name_of(result: Any) -> str:
    return str(result.output(0).get_any_name())


def _cut(openvino: Any, model: Any, names: Sequence[str]) -> tuple[Any, Any]:
    """The graph up to its outputs `names`, and the rest of it, of which these are inputs.

    Every tensor keeps its name: what one part gives is what the next one takes.
    """
    kept = [result for result in model.get_results() if _name_of(result) not in names]
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
