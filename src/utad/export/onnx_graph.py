"""ONNX Runtime on the CPU: an exported graph, cut down to what is asked of it."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from utad.dependencies import require
from utad.export.graph_io import INPUT, PLACE, PREPARED, SCORES
from utad.export.runtime import Arrays, best_batch, runtime_errors, usable_cores


class OnnxGraph:
    """Makes a session when it is first needed, for one batch on all cores or for one batch per core.

    A session computes every node of its graph, whichever outputs are asked for, so each set of outputs has its own.

    Args:
        graph: the `.onnx` file.
        size: S, the side of the images that the networks see.
        threads: cores to use; None for all.
        scored: outputs that it is made ready for.
    """

    def __init__(self, graph: bytes, *, size: int, threads: int | None = None, scored: Sequence[str] = SCORES) -> None:
        self._runtime, self._onnx = require("onnxruntime"), require("onnx")
        self._graph = graph
        self._lock = Lock()
        self._sessions: dict[tuple[tuple[str, ...], bool, bool], Any] = {}
        self.max_batch = best_batch(size)
        self.streams = usable_cores(threads)
        self._threads = threads
        self._session(scored, concurrent=False)

    def run(
        self,
        images: NDArray[np.uint8],
        names: Sequence[str],
        *,
        places: NDArray[np.int64] | None = None,
        concurrent: bool = False,
    ) -> Arrays:
        """Images `(N, H, W, 3)`, any number, to the named outputs; alone on all cores, or concurrently on one."""
        session = self._session(names, concurrent=concurrent)
        given = {INPUT: images, **({} if places is None else {PLACE: places})}
        return dict(zip(names, session.run(list(names), given), strict=True))

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
        session = self._session(names, concurrent=concurrent, prepared=True)
        given = {INPUT: np.zeros((1, *size, 3), np.uint8), PREPARED: prepared[None]}
        given |= {} if places is None else {PLACE: places}
        return dict(zip(names, session.run(list(names), given), strict=True))

    def _session(self, names: Sequence[str], *, concurrent: bool, prepared: bool = False) -> Any:
        key = (tuple(names), concurrent, prepared)
        with self._lock:
            if key not in self._sessions:
                options = self._runtime.SessionOptions()
                # 0: as many as there are cores.
                options.intra_op_num_threads = 1 if concurrent else self._threads or 0
                with runtime_errors("onnx"):
                    self._sessions[key] = self._runtime.InferenceSession(
                        self._giving(names, prepared=prepared), options, providers=["CPUExecutionProvider"]
                    )
            return self._sessions[key]

    def _giving(self, names: Sequence[str], *, prepared: bool) -> bytes:
        """The graph without what only other outputs need; with `prepared`, from there on."""
        model = self._onnx.load_from_string(self._graph)
        graph, needed = model.graph, set(names)
        if prepared:
            graph.input.extend([value for value in graph.output if value.name == PREPARED])
            for node in [node for node in graph.node if PREPARED in node.output]:
                graph.node.remove(node)
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
