"""From a stream of predictions to a folder: a table, and pictures, in memory that does not grow with their number."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, Self, TypeVar

from utad.data.reading import load_image
from utad.errors import ImageReadError, InputError
from utad.files import atomic_path, make_directory, output_errors
from utad.inputs import collect_images
from utad.interpret.figures import heat_overlay
from utad.interpret.png import encode_map, write_png
from utad.predictor import Predictor
from utad.types import Prediction, Sample

_Item = TypeVar("_Item")

FIELDS = ("path", "pred_score", "pred_label", "threshold", "anomaly_map", "pred_mask", "band")
SAVABLE = ("maps", "masks", "overlays", "impressions")
"""What `PredictionFolder` can keep of each image."""


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


class PredictionFolder:
    """Writes `predictions.csv`, `predictions.jsonl` and the wanted pictures, image by image.

    The two tables appear when the block ends without an error; pictures as they are made. File names that are not
    UTF-8 are kept without loss: in the CSV byte by byte (read it with errors="surrogateescape"), in the JSON lines as
    the escapes that `json.loads` turns into the name that Python has for the file.

    Args:
        directory: made if need be.
        names: of all images to come, unique; they decide the names of the pictures.
        save: some of `SAVABLE`.

    Raises:
        InputError: for anything else in `save`.
    """

    def __init__(self, directory: Path, names: Sequence[str], *, save: frozenset[str] = frozenset()) -> None:
        unknown = sorted(save.difference(SAVABLE))
        if unknown:
            raise InputError(f"got {', '.join(unknown)} to save, expected some of {', '.join(SAVABLE)}")
        self.directory = make_directory(directory)
        self.save = save
        self._pictures = picture_names(names)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            table = stack.enter_context(atomic_path(self.directory / "predictions.csv"))
            lines = stack.enter_context(atomic_path(self.directory / "predictions.jsonl"))
            self._table = stack.enter_context(table.open("w", newline="", encoding="utf-8", errors="surrogateescape"))
            self._lines = stack.enter_context(lines.open("w", encoding="utf-8", errors="backslashreplace"))
            self._stack = stack.pop_all()
        self._writer = csv.DictWriter(self._table, FIELDS)
        self._writer.writeheader()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return self._stack.__exit__(kind, error, trace)

    def add(self, sample: Sample, prediction: Prediction) -> None:
        """Writes one image's row and pictures.

        Raises:
            OutputError: if that is not possible.
        """
        picture = self._pictures[sample.name]
        row = prediction.as_row(
            sample.name,
            anomaly_map=f"maps/{picture}" if "maps" in self.save else None,
            pred_mask=f"masks/{picture}" if "masks" in self.save else None,
        )
        if "maps" in self.save:
            write_png(self.directory / "maps" / picture, encode_map(prediction.anomaly_map))
        if "masks" in self.save:
            write_png(self.directory / "masks" / picture, prediction.pred_mask)
        if "impressions" in self.save:
            write_png(self.directory / "impressions" / picture, prediction.impression)
            write_png(self.directory / "naive_impressions" / picture, prediction.naive_impression)
            write_png(self.directory / "reconstructions" / picture, prediction.reconstruction)
        if "overlays" in self.save:
            overlay = heat_overlay(load_image(sample), prediction.anomaly_map, prediction.pred_mask)
            write_png(self.directory / "overlays" / picture, overlay)
        with output_errors(self.directory):
            plain = {name: row[name] for name in FIELDS}
            self._writer.writerow({**plain, "pred_label": str(prediction.pred_label).lower()})
            self._lines.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")


def predict_to_folder(
    detector: Predictor,
    inputs: Iterable[Path],
    output: Path,
    *,
    save: frozenset[str] = frozenset({"maps", "masks"}),
    batch_size: int = 8,
    progress: bool = False,
) -> PredictionSummary:
    """Scores files and folders of files; one that cannot be read is reported and the rest goes on.

    Args:
        detector: fitted.
        inputs: images, and folders of images.
        output: the folder to write to.
        save: some of `SAVABLE`.
        batch_size: images scored together.
        progress: show a bar on the terminal.

    Raises:
        DatasetError: if a path does not exist or a folder holds no image.
        OutputError: if something cannot be written.
    """
    collected = collect_images(inputs)
    samples = collected.samples
    summary = PredictionSummary(left_out=list(collected.left_out))
    with PredictionFolder(output, [sample.name for sample in samples], save=save) as folder:
        for sample, outcome in tracked(
            detector.predict_samples(samples, batch_size=batch_size), len(samples), "scoring", show=progress
        ):
            if isinstance(outcome, ImageReadError):
                summary.failed.append(str(outcome))
                continue
            folder.add(sample, outcome)
            summary.n_images += 1
            summary.n_anomalous += outcome.pred_label
    return summary


def picture_names(names: Sequence[str]) -> dict[str, str]:
    """A PNG's name for each image: its own with another ending, or the whole of it where two would be the same."""
    plain = {name: PurePosixPath(name).with_suffix(".png").as_posix() for name in names}
    folded = [value.casefold() for value in plain.values()]
    counts = {value: folded.count(value) for value in set(folded)} if len(set(folded)) < len(folded) else {}
    return {name: f"{name}.png" if counts.get(value.casefold(), 1) > 1 else value for name, value in plain.items()}


def tracked(items: Iterable[_Item], total: int, title: str, *, show: bool) -> Iterator[_Item]:
    """The items, with a progress bar on stderr if it is to be shown."""
    if not show:
        yield from items
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(items, description=title, total=total, console=Console(stderr=True))
