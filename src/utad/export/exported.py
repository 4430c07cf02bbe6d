"""An exported detector: predicts as `UTAD` does, through ONNX Runtime or OpenVINO, without torch."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any, SupportsIndex, TypeAlias

import numpy as np
from numpy.typing import NDArray

from utad.config import Config, parse_config, with_present_names
from utad.data.colour_order import ColourOrder
from utad.data.geometry import Geometry
from utad.data.sixteen_bits import prepare_uint16
from utad.errors import InputError, ModelFileError
from utad.export.graph_io import CODE, PICTURES, SHARES, component_outputs, scored_outputs
from utad.export.kept_images import read_kept_images
from utad.export.manifest import Manifest, read_graph, read_manifest, write_manifest
from utad.export.onnx_graph import OnnxGraph
from utad.export.openvino_graph import OpenVinoGraph
from utad.export.runtime import Arrays, Graph, runtime_errors
from utad.predictor import Engine, Predictor
from utad.thresholds import past_calibrations
from utad.types import EngineResult, Image, LazyArrays
from utad.whole_images import of_whole_images

_Places: TypeAlias = NDArray[np.int64] | None
"""Of tiles, `(N,)`; None where no place has statistics of its own."""


class ExportedDetector(Predictor):
    """What `utad export` wrote, ready to score.

    Args:
        manifest: of the folder.
        engine: its graph.
        threads: that read images and compute; None for all cores.

    Attributes:
        manifest: what was exported, from what, and how exact it is.
        config: the resolved config of the detector.
        threshold: on normalised scores.
    """

    def __init__(self, manifest: Manifest, engine: Engine, *, threads: int | None = None) -> None:
        self.manifest = manifest
        self.config: Config = parse_config(with_present_names(manifest.config))
        super().__init__(
            engine,
            threshold=manifest.threshold,
            fail_threshold=manifest.fail_threshold,
            normal_scores=manifest.normal_scores,
            mask=self.config.mask,
            max_pixels=self.config.image.max_pixels,
            threads=threads,
        )
        self.calibrations = past_calibrations(manifest.calibrations)
        self.colour_order = ColourOrder.of(manifest.colour_order)
        self.geometry = Geometry.of(vars(manifest))

    @classmethod
    def load(cls, folder: Path | str, *, threads: int | None = None) -> ExportedDetector:
        """Reads an exported folder; nothing is believed before its sha256 is checked.

        Raises:
            ModelFileError: if it is damaged, incomplete, not an export of utad, or of a newer version.
            MissingDependencyError: if the runtime is not installed.
        """
        manifest = read_manifest(Path(folder))
        detector = cls(manifest, open_engine(Path(folder), manifest, threads=threads), threads=threads)
        detector.normal_images = read_kept_images(Path(folder), manifest)
        return detector

    def save_threshold(self, folder: Path) -> Path:
        """Keeps the threshold, and those before it, in the exported folder, and returns the file that holds it.

        Raises:
            OutputError: if that is not possible.
        """
        past = [asdict(one) for one in self.calibrations]
        self.manifest = replace(
            self.manifest, threshold=self.threshold, fail_threshold=self.fail_threshold, calibrations=past
        )
        return write_manifest(folder, self.manifest)


def open_engine(folder: Path, manifest: Manifest, *, threads: int | None = None) -> Engine:
    """What scores whole images with the graph of an exported folder.

    Raises:
        MissingDependencyError: if the runtime is not installed.
        ModelFileError: if a graph file is damaged, or the runtime does not accept the graph.
    """
    engine = ExportEngine.open(folder, manifest, threads=threads)
    geometry = Geometry.of(vars(manifest))
    if manifest.slope is None and geometry.needs_slope:
        raise ModelFileError(f"{folder} cuts or aligns images and names no slope of its scores: run utad export again")
    return of_whole_images(engine, geometry, slope=manifest.slope)


class ExportEngine:
    """A graph as an engine: scores when it is asked, restored images and component maps when they are looked at.

    Args:
        graph: ready to compute.
        manifest: of the folder.
    """

    same_size = True

    def __init__(self, graph: Graph, manifest: Manifest) -> None:
        self.max_batch = graph.max_batch
        self.streams = graph.streams
        self._graph = graph
        self._manifest = manifest
        self._components = tuple(manifest.components)
        self._region = Geometry.of(vars(manifest)).network_region
        self._maps = component_outputs(len(self._components))
        self._scored = scored_outputs(code=manifest.code, shares=bool(manifest.scored))
        self._process = os.getpid()
        self._renewing = Lock()
        self._inherited: list[Graph] = []
        self._opened: tuple[Path, Manifest, int | None] | None = None

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[Any, ...]:
        """A copy, in a process that was spawned say, opens the folder for itself: compiled graphs cannot travel."""
        return super().__reduce_ex__(protocol) if self._opened is None else (_open, self._opened)

    @classmethod
    def open(cls, folder: Path, manifest: Manifest, *, threads: int | None = None) -> ExportEngine:
        """The engine of an exported folder.

        Raises:
            MissingDependencyError: if the runtime is not installed.
            ModelFileError: if a graph file is damaged, or the runtime does not accept the graph.
        """
        graph = _open_graph(folder, manifest, threads)
        engine = cls(graph, manifest)
        engine._opened = folder.absolute(), manifest, threads
        return engine

    def run(self, images: Sequence[Image], *, concurrent: bool = False) -> list[EngineResult]:
        """One result per image `(H, W, 3)`, all of one size.

        Raises:
            InputError: if an image has 16 bits, and the graph is of an earlier version, which takes 8.
            ModelFileError: if the runtime does not accept the graph, which it compiles when it is needed; or in a
                process that was forked off the one that opened it, where that folder is another one by now.
        """
        return self.run_placed(images, (), concurrent=concurrent)

    def run_placed(
        self, images: Sequence[Image], places: Sequence[int], *, concurrent: bool = False
    ) -> list[EngineResult]:
        """The same, of tiles at places that have statistics of their own."""
        seen = [self._filled(image) for image in images]
        at = np.array(places, np.int64) if places else None
        shallow = [index for index, image in enumerate(seen) if image.dtype == np.uint8]
        if len(shallow) == len(seen):
            return self._run_8_bits(seen, at, concurrent=concurrent)
        chosen = [seen[index] for index in shallow]
        of_8_bits = iter(self._run_8_bits(chosen, _of(at, shallow), concurrent=concurrent) if shallow else ())
        return [
            next(of_8_bits)
            if image.dtype == np.uint8
            else self._run_16_bits(image, _of(at, [index]), concurrent=concurrent)
            for index, image in enumerate(seen)
        ]

    def _run_8_bits(self, images: Sequence[Image], places: _Places, *, concurrent: bool) -> list[EngineResult]:
        # Copies: a camera's driver may fill the caller's array anew before a picture is looked at.
        batch = np.stack([image.astype(np.uint8) for image in images])
        arrays = self._usable().run(batch, self._scored, places=places, concurrent=concurrent)
        return [
            self._of_8_bits(arrays, index, batch[index].copy(), _of(places, [index])) for index in range(len(images))
        ]

    def _of_8_bits(self, arrays: Arrays, index: int, image: NDArray[np.uint8], place: _Places) -> EngineResult:
        size = (image.shape[0], image.shape[1])
        return self._result(arrays, index, size, lambda names: self._usable().run(image[None], names, places=place))

    def _run_16_bits(self, image: Image, place: _Places, *, concurrent: bool) -> EngineResult:
        if self._manifest.bits < 16:
            raise InputError(
                "this export takes images of 8 bits, and got one of 16: rounding it could lose all that the model was "
                "trained on. Export the model again with this version of utad, or score it with the run itself"
            )
        prepared, size = self._prepared(image), (image.shape[0], image.shape[1])

        def computed(names: Sequence[str], *, concurrent: bool = False) -> Arrays:
            return self._usable().run_prepared(prepared, size, names, places=place, concurrent=concurrent)

        return self._result(computed(self._scored, concurrent=concurrent), 0, size, computed)

    def _filled(self, image: Image) -> Image:
        """What the graph itself does to 8 bits, and does not see of 16."""
        return image if image.dtype == np.uint8 or self._region is None else self._region.filled(image)

    def _prepared(self, image: Image) -> NDArray[np.float32]:
        return prepare_uint16(image, self._manifest.size, self._manifest.channels)

    def _usable(self) -> Graph:
        """The graph; opened anew in a process that was forked off, where the threads of the runtime are not."""
        with self._renewing:
            if os.getpid() != self._process:
                if self._opened is None:
                    raise ModelFileError(
                        "the threads of a graph do not survive a fork: load the detector in the child process, or "
                        "start it with the method spawn"
                    )
                # Kept for ever: to end it would be to wait for those threads.
                self._inherited.append(self._graph)
                self._graph, self._process = _open_graph(*self._opened), os.getpid()
        return self._graph

    def _result(
        self, arrays: Arrays, index: int, size: tuple[int, int], again: Callable[[Sequence[str]], Arrays]
    ) -> EngineResult:
        """That of one image of size `(H, W)`, of which `again` computes further outputs."""
        return EngineResult(
            raw_score=float(arrays["raw_score"][index]),
            pred_score=float(arrays["pred_score"][index]),
            # A copy: a runtime may compute the next images into the same memory, and a view keeps the whole batch.
            anomaly_map=arrays["anomaly_map"][index].copy(),
            pictures=_computed(again, PICTURES, PICTURES),
            component_maps=_computed(again, self._maps, self._components),
            shares=dict(zip(self._manifest.scored, arrays[SHARES][index].tolist(), strict=True))
            if self._manifest.scored
            else {},
            code=arrays[CODE][index].copy() if CODE in arrays else np.empty(0, np.float32),
            inside=self._region.inside(size) if self._region is not None else None,
        )


def _of(places: _Places, chosen: Sequence[int]) -> _Places:
    """The places of some of the tiles."""
    return None if places is None else places[list(chosen)]


def _computed(again: Callable[[Sequence[str]], Arrays], outputs: Sequence[str], names: Sequence[str]) -> LazyArrays:
    """Outputs of one image under `names`, all computed when one of them is asked for."""

    @cache
    def computed() -> Arrays:
        return again(outputs)

    def maker(output: str) -> Callable[[], NDArray[Any]]:
        return lambda: computed()[output][0].copy()

    return LazyArrays({name: maker(output) for name, output in zip(names, outputs, strict=True)})


def _open(folder: Path, manifest: Manifest, threads: int | None) -> ExportEngine:
    return ExportEngine.open(folder, manifest, threads=threads)


def _open_graph(folder: Path, manifest: Manifest, threads: int | None) -> Graph:
    contents = read_graph(folder, manifest)
    with runtime_errors(manifest.format):
        if manifest.format == "onnx":
            (onnx,) = contents.values()
            scored = scored_outputs(code=manifest.code, shares=bool(manifest.scored))
            return OnnxGraph(onnx, size=manifest.size, threads=threads, scored=scored)
        xml, weights = contents.values()
        return OpenVinoGraph(xml, weights, manifest.precision, size=manifest.size, threads=threads)
