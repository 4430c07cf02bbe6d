"""The folder of predictions: tables, and pictures, in memory that does not grow with their number."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from utad.errors import ImageReadError
from utad.evaluation.picture_names import picture_names
from utad.evaluation.prediction_pictures import picture_folders, pictures_of
from utad.evaluation.prediction_tables import CSV_HEADER, TABLES, csv_line, json_line
from utad.evaluation.results_folder import ResumableFolder, digest_of
from utad.output_folder import complete
from utad.types import Outcome, Prediction, Sample


@dataclass
class PredictionSummary:
    """What predicting came to.

    Attributes:
        n_images: scored.
        n_anomalous: of these, called anomalous.
        failed: what could not be read, each with its reason.
        left_out: what lies in the folders and was not tried, a line for each reason, with its count.
    """

    n_images: int = 0
    n_anomalous: int = 0
    failed: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


class PredictionFolder(ResumableFolder):
    """Writes `predictions.csv`, `predictions.jsonl` and the wanted pictures.

    Rows and pictures are kept as they are made, and the tables are written when the block ends, however it ends: an
    interrupted run leaves the tables of what it scored. What an earlier run left goes when the first image is added.
    File names that are not UTF-8 are kept without loss: in the CSV byte by byte (read it with
    errors="surrogateescape"), in the JSON lines as the escapes that `json.loads` turns into the name that Python has.

    Args:
        directory: made if need be.
        names: of all images to come, unique; they decide the names of the pictures.
        save: some of `SAVABLE`.
        apart_from: inputs that the folder must neither hold nor lie in.
        run: what two runs must share for one to go on with the other's rows; empty if none ever does.
        resume: go on with the rows of an interrupted run, if there are any.

    Attributes:
        summary: of all images so far, those of the interrupted run included.
        done: images that need not come any more, the first of `names`.
        batches: in which they came.

    Raises:
        InputError: for anything else in `save`.
        OutputError: on entering, if the folder overlaps an input, another run writes to it, it holds files that are
            not ours where some are to be written, or the run to resume is another one.
    """

    def __init__(
        self,
        directory: Path,
        names: Sequence[str],
        *,
        save: frozenset[str] = frozenset(),
        apart_from: Iterable[Path] = (),
        run: str = "",
        resume: bool = False,
    ) -> None:
        super().__init__(
            directory,
            apart_from=apart_from,
            run={"run": run, "save": sorted(save), "images": digest_of(names)},
            words={"run": "model or settings", "save": "what is saved", "images": "images"},
            resume=resume,
        )
        self._folders = picture_folders(save)
        self.save = save
        self.summary = PredictionSummary()
        self.done = self.batches = 0
        self._pictures = picture_names(names)

    def write(self, name: str, text: str) -> None:
        """Writes a further text file, which goes with the predictions.

        Raises:
            OutputError: if that is not possible, or what is there is not ours.
        """
        self._folder.write_text(name, text)

    def refuse_others(self, names: Sequence[str]) -> None:
        """Refuses further files now that could not be written in the end.

        Raises:
            OutputError: if what is there is not ours, or goes with the results of another command.
        """
        self._folder.refuse_others(names)
        self._folder.refuse_of_other_purposes(names, instead="leave the report out (--no-report)")

    def add(self, sample: Sample, prediction: Prediction) -> None:
        """Keeps one image's row and pictures.

        Raises:
            OutputError: if that is not possible.
        """
        self.add_batch([(sample, prediction)])

    def add_batch(self, outcomes: Sequence[Outcome]) -> None:
        """Keeps the rows and pictures of images that were scored together; resuming goes on behind whole batches.

        Raises:
            OutputError: if that is not possible.
        """
        self._begin()
        kept = [
            {"failed": str(outcome)} if isinstance(outcome, ImageReadError) else {"row": self._kept(sample, outcome)}
            for sample, outcome in outcomes
        ]
        self._folder.note({"batch": kept})
        self._count(kept)

    def _kept(self, sample: Sample, prediction: Prediction) -> dict[str, Any]:
        """The row of an image whose pictures are written."""
        picture = self._pictures[sample.name]
        for folder, write in pictures_of(sample, prediction, self._folders):
            self._folder.write(f"{folder}/{picture}", write)
        return prediction.as_row(
            sample.name,
            anomaly_map=f"maps/{picture}" if "maps" in self.save else None,
            pred_mask=f"masks/{picture}" if "masks" in self.save else None,
        )

    def _count(self, batch: Sequence[dict[str, Any]]) -> None:
        rows = [kept["row"] for kept in batch if "row" in kept]
        self.summary.n_images += len(rows)
        self.summary.n_anomalous += sum(row["pred_label"] for row in rows)
        self.summary.failed += [kept["failed"] for kept in batch if "failed" in kept]
        self.done += len(batch)
        self.batches += 1

    def _kept_so_far(self) -> str:
        table = self.directory / TABLES[0]
        if not self._run["run"]:
            return f"{self.summary.n_images} images are scored, in {table}; the same command begins anew"
        return f"{self.summary.n_images} images are scored, in {table}; the same command with --resume scores the rest"

    def _names(self) -> Sequence[str]:
        return TABLES

    def _take_up(self, note: Mapping[str, Any]) -> None:
        self._count(note["batch"])

    def _standing(self) -> list[str]:
        """Pictures to be written that stand there already."""
        planned = set(list(self._pictures.values())[self.done :])
        return [
            f"{folder}/{name}"
            for folder in self._folders
            for name in _files_below(self.directory / folder)
            if name in planned
        ]

    def _complete(self, error: BaseException | None) -> None:
        complete(self._write_tables, after=error)

    def _write_tables(self) -> None:
        folder = self._folder

        def rows() -> Iterator[dict[str, Any]]:
            return (kept["row"] for note in folder.notes() for kept in note.get("batch", ()) if "row" in kept)

        def write_csv(path: Path) -> None:
            with path.open("wb") as file:
                file.write(CSV_HEADER)
                file.writelines(map(csv_line, rows()))

        def write_jsonl(path: Path) -> None:
            with path.open("wb") as file:
                file.writelines(map(json_line, rows()))

        for name, write in zip(TABLES, (write_csv, write_jsonl), strict=True):
            folder.write(name, write)


def _files_below(folder: Path) -> Iterator[str]:
    for directory, _, files in os.walk(folder):
        yield from ((Path(directory) / file).relative_to(folder).as_posix() for file in files)
