"""Rows of predictions as Parquet shards: each is written whole, and a later run goes on behind those that are there."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from utad.dependencies import require
from utad.evaluation.prediction_folder import PURPOSE, PredictionSummary
from utad.evaluation.prediction_tables import FIELDS
from utad.output_folder import OutputFolder, complete, output_folder

SHARDS = "predictions"
"""The folder of the shards, which holds nothing else: readers of Parquet take it as one table."""
UNREAD = "unread.csv"


class ShardFolder:
    """Writes `predictions/part-00000.parquet`, ... and `unread.csv`, which names the images that cannot be read.

    A shard has the rows of the images of its range that could be read, in their order. It is recorded when it stands
    whole under its name; what was not recorded is written anew. Names that are not UTF-8 have escapes.

    Args:
        directory: made if need be.
        names: of all images, unique.
        shard_size: images of a shard.
        apart_from: inputs that the folder must neither hold nor lie in.
        run: what two runs must share for one to go on with the other's shards.
        resume: go on with an interrupted run, if there is one.

    Attributes:
        summary: of all shards so far, those of the interrupted run included.
        done: numbers of the shards that are there.

    Raises:
        OutputError: on entering, if the folder overlaps an input, another run writes to it, it holds files that are
            not ours where some are to be written, or the run to resume is another one.
    """

    def __init__(
        self,
        directory: Path,
        names: Sequence[str],
        *,
        shard_size: int,
        apart_from: Iterable[Path] = (),
        run: str = "",
        resume: bool = False,
    ) -> None:
        self.directory = directory
        self.summary = PredictionSummary()
        self.done: set[int] = set()
        self._names = names
        self._size = shard_size
        self._apart_from = tuple(apart_from)
        self._run = {"run": run, "shard_size": shard_size, "images": _digest(names)}
        self._resume = resume
        self._begun = False
        self._waiting: dict[int, dict[int, Mapping[str, Any]]] = {}
        self._failed: dict[int, list[tuple[str, str]]] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._folder = stack.enter_context(output_folder(self.directory, PURPOSE, apart_from=self._apart_from))
            names = [UNREAD, *(_shard_name(shard) for shard in range(-(-len(self._names) // self._size)))]
            self._folder.refuse_of_other_purposes(names)
            if self._resume:
                self._take_up(self._folder)
            if not self._begun:
                self._folder.refuse_others()
            self._folder.refuse_others(names)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stack:
            if not self._begun:
                return
            if error is not None:
                error.add_note(
                    f"{len(self.done)} shards are whole, in {self.directory / SHARDS}; the same command with --resume "
                    "scores the rest"
                )
            self.summary.failed = [reason for _, reason in self._unread()]
            complete(lambda: self._folder.write(UNREAD, self._write_unread), after=error)

    @property
    def left(self) -> list[int]:
        """Positions of the images whose shards are not there, in order."""
        return [position for position in range(len(self._names)) if position // self._size not in self.done]

    def add(self, rows: Mapping[int, Mapping[str, Any]]) -> None:
        """Takes rows of images in any order; a shard is written as soon as it is complete.

        Args:
            rows: by position of the image; those of `FIELDS`, and `error`. One that comes twice counts once.

        Raises:
            OutputError: if a shard cannot be written.
        """
        for position, row in rows.items():
            shard = position // self._size
            if shard in self.done:
                continue
            waiting = self._waiting.setdefault(shard, {})
            waiting[position] = row
            if len(waiting) == min(self._size, len(self._names) - shard * self._size):
                self._finish(shard, [row for _, row in sorted(self._waiting.pop(shard).items())])

    def _finish(self, shard: int, rows: Sequence[Mapping[str, Any]]) -> None:
        if not self._begun:
            self._folder.clear()
            self._folder.note(self._run)
            self._begun = True
        scored = [row for row in rows if row["error"] is None]
        self._folder.write(_shard_name(shard), lambda path: _write_parquet(path, scored))
        note = {
            "shard": shard,
            "n_images": len(scored),
            "n_anomalous": sum(row["pred_label"] for row in scored),
            "failed": [[row["path"], row["error"]] for row in rows if row["error"] is not None],
        }
        self._folder.note(note, durable=True)
        self._count(note)

    def _count(self, note: Mapping[str, Any]) -> None:
        self.done.add(note["shard"])
        self.summary.n_images += note["n_images"]
        self.summary.n_anomalous += note["n_anomalous"]
        self._failed[note["shard"]] = [(path, reason) for path, reason in note["failed"]]

    def _take_up(self, folder: OutputFolder) -> None:
        words = {"run": "model or settings", "shard_size": "size of shards", "images": "images"}
        advice = "Resume with the same command, or leave --resume out to start anew"
        notes = folder.notes_of(self._run, words, else_do=advice)
        if notes is not None:
            for note in notes:
                # A shard that somebody has removed since is scored again.
                if folder.path(_shard_name(note["shard"])).exists():
                    self._count(note)
            self._begun = True

    def _unread(self) -> Iterator[tuple[str, str]]:
        return (failure for _, failures in sorted(self._failed.items()) for failure in failures)

    def _write_unread(self, path: Path) -> None:
        with path.open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(("path", "error"))
            table.writerows(self._unread())


def _shard_name(shard: int) -> str:
    return f"{SHARDS}/part-{shard:05}.parquet"


def _write_parquet(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows with the columns of predictions.csv: both paths of pictures are there and empty."""
    arrow = require("pyarrow")
    types = {"pred_score": arrow.float64(), "pred_label": arrow.bool_(), "threshold": arrow.float64()}
    schema = arrow.schema([(field, types.get(field, arrow.string())) for field in FIELDS])
    table = arrow.Table.from_pylist([{field: row[field] for field in FIELDS} for row in rows], schema=schema)
    require("pyarrow.parquet").write_table(table, path)


def _digest(names: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(names).encode(errors="surrogatepass")).hexdigest()
