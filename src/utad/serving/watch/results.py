"""What watching has come to, on disk: each version of each image once, whenever the process is killed.

The journal, in the record of the output folder, decides what is done: a line for each batch, on disk before anything
else is told of it. The tables are made of it, and completed from it where a kill left them behind. docs/adr/0026.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from utad.errors import ImageReadError, UTADError
from utad.evaluation.picture_names import unique_picture_name
from utad.evaluation.prediction_pictures import picture_folders, pictures_of
from utad.evaluation.prediction_tables import CSV_HEADER, TABLES, csv_line, json_line
from utad.evaluation.results_folder import ResultsFolder
from utad.files import write_atomically
from utad.output_folder import OutputFolder, complete
from utad.serving.watch.scan import Arrival, FileState
from utad.serving.watch.table import GrowingTable, Row
from utad.types import Prediction, Sample

_LOGGER = logging.getLogger(__name__)

PURPOSE = "results of utad watch"
_FAILURES_NAMED = 100


class Scored(NamedTuple):
    """One image with what came of it."""

    arrival: Arrival
    sample: Sample
    outcome: Prediction | UTADError


@dataclass
class WatchSummary:
    """What watching came to.

    Attributes:
        n_before: results of earlier processes in this folder.
        n_images: scored by this one.
        n_anomalous: of these, called anomalous.
        n_failed: that this one could not read.
        failed: the last of these, each with its reason; `n_failed` counts all.
        n_undelivered: messages that were not taken by whom they were for.
    """

    n_before: int = 0
    n_images: int = 0
    n_anomalous: int = 0
    n_failed: int = 0
    failed: deque[str] = field(default_factory=lambda: deque(maxlen=_FAILURES_NAMED))
    n_undelivered: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "failed": list(self.failed)}


class WatchResults(ResultsFolder):
    """Keeps results in a folder: `predictions.csv`, `predictions.jsonl`, and the wanted pictures.

    Args:
        directory: made if need be.
        folder: that is watched; `directory` must neither hold it nor lie in it.
        save: some of `SAVABLE`.
        run: names the detector and its settings; results of another are not mixed with these.

    Attributes:
        done: keys of the versions of images that are dealt with (`Arrival.key`), those of earlier processes included.
        summary: of this process.

    Raises:
        InputError: for anything else in `save`.
        OutputError: on entering, if the folder overlaps the watched one, another process writes to it, or it holds
            other results or files that are not ours.
    """

    def __init__(self, directory: Path, folder: Path, *, save: frozenset[str] = frozenset(), run: str = "") -> None:
        super().__init__(directory, PURPOSE, apart_from=[folder])
        self.done: set[bytes] = set()
        self.summary = WatchSummary()
        # Overlays last: they alone need the image again, which may be gone.
        self._folders = sorted(picture_folders(save), key=lambda name: name == "overlays")
        self._run = {"run": run, "save": sorted(save), "folder": str(folder.absolute())}
        self._count = 0
        self._behind = False
        csv, jsonl = (directory / name for name in TABLES)
        self._tables = (GrowingTable(csv, CSV_HEADER, csv_line), GrowingTable(jsonl, b"", json_line))

    def add(self, scored: Sequence[Scored]) -> list[Row]:
        """Keeps a batch; when this returns, it is on disk.

        Returns:
            The rows of the images that could be read, as `predictions.jsonl` has them.

        Raises:
            OutputError: if that is not possible. Either the journal has the batch then, and the next process adds it
                to the tables, or it is as if it had not been scored.
        """
        kept, count = [], self._count
        for image in scored:
            name, (size, modified) = image.arrival
            entry: dict[str, Any] = {"image": name, "size": size, "modified": modified}
            if isinstance(image.outcome, UTADError):
                kept.append({**entry, "failed": str(image.outcome)})
            else:
                count += 1
                kept.append({**entry, "row": self._row(image.arrival, image.sample, image.outcome, count)})
        self._behind = True
        self._folder.note({"batch": kept}, durable=True)
        self._count = count
        rows = [entry["row"] for entry in kept if "row" in entry]
        for table in self._tables:
            if table.is_whole():
                table.append(rows)
            else:
                table.complete(self._rows())
        self._behind = False
        self.done.update(image.arrival.key for image in scored)
        self._add_up(kept)
        return rows

    def _row(self, arrival: Arrival, sample: Sample, prediction: Prediction, number: int) -> dict[str, Any]:
        """The row of an image whose pictures are written."""
        picture = unique_picture_name(arrival.name, f"\0{arrival.state.size}\0{arrival.state.modified_ns}")
        try:
            for folder, write in pictures_of(sample, prediction, self._folders):
                write_atomically(self._folder.path(f"{folder}/{picture}"), write)
        except ImageReadError as error:
            _LOGGER.warning("%s has no overlay: %s", arrival.name, error)
        paths = {folder: f"{folder}/{picture}" for folder in self._folders}
        row = prediction.as_row(arrival.name, anomaly_map=paths.get("maps"), pred_mask=paths.get("masks"))
        return {
            **row,
            "number": number,
            "modified": _time(arrival.state.modified_ns),
            "scored": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }

    def _complete_tables(self) -> None:
        for table in self._tables:
            table.complete(self._rows())

    def _opened(self, folder: OutputFolder) -> None:
        """Goes on where an earlier process stopped, if it had the same model, settings and folder."""
        names = [*TABLES, *self._folders]
        folder.refuse_of_other_purposes(names)
        words = {"run": "model or settings", "save": "what is saved", "folder": "watched folder"}
        advice = "Watch with the same command, or choose another output folder to start anew"
        notes = folder.notes_of(self._run, words, else_do=advice)
        if notes is None:
            folder.own(names)
            folder.note(self._run)
        for note in notes or ():
            for entry in note["batch"]:
                self.done.add(Arrival(entry["image"], FileState(entry["size"], entry["modified"])).key)
                self._count += "row" in entry
        self.summary.n_before = self._count
        self._complete_tables()

    def _closing(self, error: BaseException | None) -> None:
        if error is not None:
            error.add_note(self._kept_so_far())
        if self._behind:
            complete(self._complete_tables, after=error)

    def _rows(self) -> Iterator[Row]:
        return (entry["row"] for note in self._folder.notes() for entry in note.get("batch", ()) if "row" in entry)

    def _add_up(self, batch: Sequence[dict[str, Any]]) -> None:
        rows = [entry["row"] for entry in batch if "row" in entry]
        failed = [entry["failed"] for entry in batch if "failed" in entry]
        self.summary.n_images += len(rows)
        self.summary.n_anomalous += sum(row["pred_label"] for row in rows)
        self.summary.n_failed += len(failed)
        self.summary.failed.extend(failed)

    def _kept_so_far(self) -> str:
        return (
            f"{self.summary.n_images} images are scored, {self.summary.n_anomalous} of them anomalous, "
            f"{self.summary.n_failed} could not be read; {self._count} rows are in {self.directory / TABLES[0]}; the "
            "same command goes on"
        )


def _time(nanoseconds: int) -> str | None:
    """A file's time as text; None where it is none, which broken clocks and archives lead to."""
    try:
        return datetime.fromtimestamp(nanoseconds // 10**9, UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return None
