"""From files and folders to predictions of them, in memory that does not grow with their number."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from utad.data.image_files import list_images
from utad.data.reading import IMAGE_SUFFIXES
from utad.errors import DatasetError, ImageReadError
from utad.evaluation.prediction_folder import PredictionFolder, PredictionSummary
from utad.predictor import Predictor
from utad.progress import Progress
from utad.types import Outcome, Sample


def predict_to_folder(
    detector: Predictor,
    inputs: Iterable[Path],
    output: Path,
    *,
    save: frozenset[str] = frozenset({"maps", "masks"}),
    batch_size: int = 8,
    progress: bool = False,
    resume: bool = False,
    run: str = "",
) -> PredictionSummary:
    """Scores files and folders of files; one that cannot be read is reported and the rest goes on.

    Args:
        detector: fitted.
        inputs: images, and folders of images.
        output: the folder to write to; what an earlier call wrote there is replaced.
        save: some of `SAVABLE`.
        batch_size: images scored together.
        progress: show a bar on the terminal.
        resume: go on with an interrupted call: what it scored is not scored again, and the tables end up the same.
        run: names the detector and its settings; to resume, it must be the same.

    Raises:
        DatasetError: if a path does not exist, a folder holds no image, or none of the images can be read.
        OutputError: if something cannot be written, or `output` overlaps an input or holds files that are not ours.
    """
    given = list(inputs)
    samples = collect_samples(given)
    names = [sample.name for sample in samples]
    run = f"{run} {detector.threshold!r} {batch_size}"
    with PredictionFolder(output, names, save=save, apart_from=given, run=run, resume=resume) as folder:
        left = samples[folder.done :]
        batches = detector.predict_batches(left, batch_size=batch_size, after=folder.batches)
        waiting: list[Sequence[Outcome]] = []
        with Progress("scoring", len(samples), unit="image", bar=progress, done=folder.done) as shown:
            for batch in batches:
                waiting.append(batch)
                # What an earlier run left stays until there is something to put in its place.
                if folder.summary.n_images or any(not isinstance(outcome, ImageReadError) for _, outcome in batch):
                    for outcomes in waiting:
                        folder.add_batch(outcomes)
                    waiting.clear()
                shown.advance(len(batch))
        if waiting:
            reasons = "; ".join(str(outcome) for outcomes in waiting for _, outcome in outcomes)
            raise DatasetError(f"none of the {len(samples)} images can be read: {reasons}")
    return folder.summary


def collect_samples(inputs: Iterable[Path]) -> list[Sample]:
    """Every image of the inputs, once, named by its path below the folder that holds them all.

    Raises:
        DatasetError: if a path does not exist or a folder holds no image.
    """
    given = list(inputs)
    missing = [str(path) for path in given if not path.exists()]
    if missing:
        raise DatasetError(f"{', '.join(missing)} does not exist; expected images, or folders of images")
    found = {path: [path] if path.is_file() else list_images(path) for path in given}
    empty = [str(path) for path, files in found.items() if not files]
    if empty:
        raise DatasetError(f"{', '.join(empty)} holds no image; expected {', '.join(IMAGE_SUFFIXES)} files")
    if len(given) == 1 and given[0].is_dir():
        (root,) = given
        files = list(found[root])
    else:
        files = list(dict.fromkeys(_absolute(file) for part in found.values() for file in part))
        root = Path(os.path.commonpath([file.parent for file in files]))
    return [Sample(file.relative_to(root).as_posix(), file) for file in files]


def _absolute(file: Path) -> Path:
    """The file by a name without `..`, which means another folder where a link comes before it."""
    return Path(os.path.realpath(file.parent), file.name) if ".." in file.parts else file.absolute()
