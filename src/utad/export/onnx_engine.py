"""ONNX Runtime on the CPU: an exported graph, cut down to what is asked of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from utad.export.dependencies import require
from utad.export.engines import Arrays, best_stack, most_workers, runtime_errors
from utad.export.ports import INPUT, SCORES


class OnnxEngine:
    """Makes a session when it is first needed, for all cores or for a core a thread.

    A session computes every node of its graph, whichever outputs are asked for, so each set of outputs has its own.

    Args:
        graph: the `.onnx` file.
        size: S, the side of the images that the networks see.
    """

    def __init__(self, graph: bytes, *, size: int) -> None:
        self._runtime, self._onnx = require("onnxruntime", "onnx"), require("onnx", "onnx")
        self._graph = graph
        self._lock = Lock()
        self._sessions: dict[tuple[tuple[str, ...], bool], Any] = {}
        self.stack = best_stack(size)
        self.workers = most_workers()
        self._session(SCORES, alone=True)

    def run(self, images: NDArray[np.uint8], names: Sequence[str], *, alone: bool = True) -> Arrays:
        """Images `(N, H, W, 3)` to those of `OUTPUTS` that are named.

        Args:
            images: any number.
            names: what is computed.
            alone: nothing else is computed meanwhile, so that all cores are used.
        """
        return dict(zip(names, self._session(names, alone=alone).run(list(names), {INPUT: images}), strict=True))

    def _session(self, names: Sequence[str], *, alone: bool) -> Any:
        key = (tuple(names), alone)
        with self._lock:
            if key not in self._sessions:
                options = self._runtime.SessionOptions()
                # 0: as many as there are cores.
                options.intra_op_num_threads = 0 if alone else max(1, (os.cpu_count() or 1) // self.workers)
                with runtime_errors("onnx"):
                    self._sessions[key] = self._runtime.InferenceSession(
                        self._giving(names), options, providers=["CPUExecutionProvider"]
                    )
            return self._sessions[key]

    def _giving(self, names: Sequence[str]) -> bytes:
        """The graph without what only other outputs need."""
        model = self._onnx.load_from_string(self._graph)
        graph, needed = model.graph, set(names)
        for node in reversed(list(graph.node)):  # a node stands behind those whose values it takes
            if needed.isdisjoint(node.output):
                graph.node.remove(node)
            else:
                needed.update(node.input)
        for values in (graph.output, graph.initializer):
            for value in [value for value in values if value.name not in needed]:
                values.remove(value)
        content: bytes = model.SerializeToString()
        return content
