"""Rows of predictions as Parquet shards: each is written whole, and a later run goes on behind those that are there."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from utad.dependencies import require
from utad.evaluation.prediction_folder import PredictionSummary
from utad.evaluation.prediction_tables import FIELDS
from utad.evaluation.results_folder import ResumableFolder, digest_of
from utad.integrations.scoring import arrow_schema
from utad.output_folder import complete

SHARDS = "predictions"
"""The folder of the shards, which holds nothing else: readers of Parquet take it as one table."""
UNREAD = "unread.csv"


class ShardFolder(ResumableFolder):
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
        super().__init__(
            directory,
            apart_from=apart_from,
            run={"run": run, "shard_size": shard_size, "images": digest_of(names)},
            words={"run": "model or settings", "shard_size": "size of shards", "images": "images"},
            resume=resume,
        )
        self.summary = PredictionSummary()
        self.done: set[int] = set()
        self._paths = names
        self._size = shard_size
        self._waiting: dict[int, dict[int, Mapping[str, Any]]] = {}
        self._failed: dict[int, list[tuple[str, str]]] = {}

    @property
    def left(self) -> list[int]:
        """Positions of the images whose shards are not there, in order."""
        return [position for position in range(len(self._paths)) if position // self._size not in self.done]

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
            if len(waiting) == min(self._size, len(self._paths) - shard * self._size):
                self._finish(shard, [row for _, row in sorted(self._waiting.pop(shard).items())])

    def _finish(self, shard: int, rows: Sequence[Mapping[str, Any]]) -> None:
        self._begin()
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

    def _names(self) -> Sequence[str]:
        return [UNREAD, *(_shard_name(shard) for shard in range(-(-len(self._paths) // self._size)))]

    def _take_up(self, note: Mapping[str, Any]) -> None:
        # A shard that somebody has removed since is scored again.
        if self._folder.path(_shard_name(note["shard"])).exists():
            self._count(note)

    def _kept_so_far(self) -> str:
        return (
            f"{len(self.done)} shards are whole, in {self.directory / SHARDS}; the same command with --resume scores "
            "the rest"
        )

    def _complete(self, error: BaseException | None) -> None:
        self.summary.failed = [reason for _, reason in self._unread()]
        complete(lambda: self._folder.write(UNREAD, self._write_unread), after=error)

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
    schema = arrow_schema(FIELDS)
    table = require("pyarrow").Table.from_pylist(
        [{field: row[field] for field in FIELDS} for row in rows], schema=schema
    )
    require("pyarrow.parquet").write_table(table, path)
