"""From files and folders to predictions of them, in memory that does not grow with their number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from utad.errors import DatasetError, ImageReadError
from utad.evaluation.prediction_folder import PredictionFolder, PredictionSummary
from utad.inputs import collect_images
from utad.predictor import Predictor
from utad.progress import Progress
from utad.types import Outcome


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
    collected = collect_images(given)
    samples = collected.samples
    names = [sample.name for sample in samples]
    run = f"{run} {detector.threshold!r} {detector.fail_threshold!r} {batch_size}"
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
            raise DatasetError(f"none of the images can be read: {reasons}")
    folder.summary.left_out = list(collected.left_out)
    return folder.summary
