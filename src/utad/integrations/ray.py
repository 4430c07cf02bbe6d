"""Scoring any number of images on Ray Data: workers that each hold the exported graph, on this computer or a cluster.

docs/adr/0034-ray.md says why it is built so.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utad.dependencies import require
from utad.errors import ConfigError, DatasetError, UTADError
from utad.evaluation.prediction_folder import PredictionSummary
from utad.export.exported import ExportedDetector
from utad.export.runtime import available_cores
from utad.integrations.listing import ListedImages, list_images
from utad.integrations.scoring import COLUMNS, arrow_schema, score_places
from utad.integrations.shards import UNREAD, ShardFolder
from utad.loading import identity
from utad.progress import Progress

BLOCK_BATCHES = 8
"""Batches that a worker takes at a time: what is computed again where a worker is lost."""
SHARD_SIZE = 4096
_OBJECT_STORE = 2**28
"""Bytes that a local Ray shares between its processes, where rows alone travel."""


@dataclass(frozen=True)
class Cluster:
    """Where the workers run.

    Attributes:
        address: of a running cluster, as Ray has it; None for a Ray of this computer alone, started for the call.
        workers: processes with a graph and one thread each; None for one per CPU core.
    """

    address: str | None = None
    workers: int | None = None

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise ConfigError(f"got {self.workers} workers, expected at least 1")


class GraphWorker:
    """What each process of the pool holds: the exported graph, with one thread.

    Args:
        model: where Ray keeps the files of the exported folder, in a list of one, which Ray leaves as it is.
        threshold: on normalised scores.
        fail_threshold: that of the band `fail`.
        batch_size: images scored together.
    """

    def __init__(self, model: Sequence[Any], threshold: float, fail_threshold: float | None, batch_size: int) -> None:
        files: Mapping[str, bytes] = require("ray").get(model[0])
        with tempfile.TemporaryDirectory(prefix="utad-") as folder:
            for name, content in files.items():
                Path(folder, name).write_bytes(content)
            self._detector = ExportedDetector.load(folder, threads=1)
        self._detector.threshold = threshold
        self._detector.fail_threshold = fail_threshold
        self._batch_size = batch_size

    def __call__(self, block: Any) -> Any:
        """The rows of a block of images.

        Args:
            block: an Arrow table with `position`, and `name` and `place` as bytes.

        Returns:
            An Arrow table with `position` and `COLUMNS`.
        """
        names = [os.fsdecode(name) for name in block["name"].to_pylist()]
        places = [os.fsdecode(place) for place in block["place"].to_pylist()]
        rows = score_places(self._detector, names, places, batch_size=self._batch_size)
        cells = [{column: _utf8(value) for column, value in row.items()} for row in rows]
        table = require("pyarrow").Table.from_pylist(cells, schema=arrow_schema(COLUMNS))
        return table.append_column("position", block["position"])


def predict_on_ray(
    detector: ExportedDetector,
    model: Path,
    inputs: Sequence[str],
    output: Path,
    *,
    cluster: Cluster | None = None,
    batch_size: int = 8,
    shard_size: int = SHARD_SIZE,
    progress: bool = False,
    resume: bool = False,
) -> PredictionSummary:
    """Scores images on Ray and writes Parquet shards of their rows; no map or picture leaves a worker.

    Args:
        detector: that `model` holds; its thresholds count.
        model: an exported folder. Its files are sent to the workers.
        inputs: images and folders of them: paths, which every worker must have, or URLs that fsspec reads.
        output: the folder to write to, on this computer; what an earlier call wrote there is replaced.
        cluster: where the workers run; None for this computer. A Ray that the process has started already is used.
        batch_size: images scored together.
        shard_size: images of a shard.
        progress: show a bar on the terminal.
        resume: go on with an interrupted call: shards that are there are not scored again.

    Raises:
        ConfigError: if the cluster has fewer CPU cores than there are to be workers, or cannot be reached.
        DatasetError: if a place does not exist, there is no image, or none of the images can be read.
        MissingDependencyError: if the extra `ray` is not installed.
        OutputError: if something cannot be written, or `output` overlaps an input or holds files that are not ours.
    """
    for module in ("ray.data", "pyarrow.parquet", "fsspec"):
        _without_reports(module)
    images = list_images(inputs)
    run = f"ray {identity(model, detector)} {detector.threshold!r} {detector.fail_threshold!r} {batch_size}"
    folder = ShardFolder(output, images.names, shard_size=shard_size, apart_from=images.folders, run=run, resume=resume)
    with folder, Progress("scoring", len(images.names), unit="image", bar=progress) as shown:
        left = folder.left
        shown.advance(len(images.names) - len(left))
        if left:
            with ExitStack() as stack:
                workers = stack.enter_context(_running(cluster or Cluster()))
                stack.enter_context(_own_errors())
                scored = _scored(detector, model, images, left, workers=workers, batch_size=batch_size)
                # Closed, whatever ends this: the workers of an interrupted call would keep their cores.
                for rows in stack.enter_context(closing(scored)):
                    folder.add(rows)
                    shown.advance(len(rows))
    summary = folder.summary
    summary.left_out = list(images.left_out)
    if not summary.n_images:
        raise DatasetError(f"none of the {len(summary.failed)} images can be read: {output / UNREAD} says why")
    return summary


def _scored(
    detector: ExportedDetector,
    model: Path,
    images: ListedImages,
    left: Sequence[int],
    *,
    workers: int,
    batch_size: int,
) -> Generator[dict[int, dict[str, Any]], None, None]:
    ray, data = require("ray"), require("ray.data")
    files = {file.name: file.read_bytes() for file in model.iterdir() if file.is_file()}
    context = data.DataContext.get_current()
    context.enable_progress_bars = False
    size = BLOCK_BATCHES * batch_size
    blocks = [_block(images, left[start : start + size]) for start in range(0, len(left), size)]
    dataset = data.from_arrow(blocks).map_batches(
        GraphWorker,
        fn_constructor_args=([ray.put(files)], detector.threshold, detector.fail_threshold, batch_size),
        compute=data.ActorPoolStrategy(size=min(workers, len(blocks))),
        num_cpus=1,
        batch_size=None,
        batch_format="pyarrow",
    )
    for table in dataset.iter_batches(batch_size=None, batch_format="pyarrow"):
        yield {row.pop("position"): row for row in table.to_pylist()}


def _block(images: ListedImages, positions: Sequence[int]) -> Any:
    arrow = require("pyarrow")
    # As bytes: names of files need not be UTF-8, and Arrow's strings are.
    columns = {"name": images.names, "place": images.places}
    encoded = {
        column: arrow.array([os.fsencode(values[position]) for position in positions], arrow.binary())
        for column, values in columns.items()
    }
    return arrow.table({"position": arrow.array(positions, arrow.int64()), **encoded})


def _utf8(value: Any) -> Any:
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def _without_reports(module: str) -> Any:
    """Imports a module of Ray, which must find before it is imported that it reports its use to nobody."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    return require(module)


@contextmanager
def _running(cluster: Cluster) -> Iterator[int]:
    """Ray, and the number of workers; what is started here ends with the block."""
    ray = _without_reports("ray")
    started = not ray.is_initialized()
    if started:
        _start(ray, cluster)
    try:
        cores = int(ray.cluster_resources().get("CPU", 0))
        workers = cores if cluster.workers is None else cluster.workers
        if workers > cores or not cores:
            raise ConfigError(f"got {workers} workers for a Ray of {cores} CPU cores: ask for fewer (--workers)")
        yield workers
    finally:
        if started:
            ray.shutdown()


def _start(ray: Any, cluster: Cluster) -> None:
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if cluster.address is None:
        cores = cluster.workers or available_cores()
        ray.init(
            address="local",
            num_cpus=cores,
            include_dashboard=False,
            object_store_memory=_OBJECT_STORE,
            _node_ip_address="127.0.0.1",
            **quiet,
        )
        return
    try:
        ray.init(address=cluster.address, **quiet)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise ConfigError(f"no Ray can be reached at {cluster.address}: {error}") from error


@contextmanager
def _own_errors() -> Iterator[None]:
    """Brings back the error that a worker raised on purpose, out of what Ray wraps around it."""
    exceptions = require("ray.exceptions")
    try:
        yield
    except exceptions.RayError as error:
        inner: BaseException | None = error
        while inner is not None and not isinstance(inner, UTADError):
            inner = getattr(inner, "cause", None) or inner.__cause__
        if inner is None:
            raise
        raise inner from None
