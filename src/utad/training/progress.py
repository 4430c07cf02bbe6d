"""What training leaves to read: a CSV of every term of every step, and a bar on a terminal or lines in a log."""

from __future__ import annotations

import csv
import io
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from typing_extensions import override

from utad.files import output_errors, write_atomically
from utad.progress import Progress
from utad.training.stage import Stage

_HEADER = ("stage", "step", "term", "value")


class MetricsFile(pl.Callback):
    """Appends `stage, step, term, value` to `metrics.csv`; on resuming, later rows of the stage are dropped."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._rows: list[tuple[str, int, str, str]] = []

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.is_global_zero:
            start = trainer.global_step
            assert isinstance(pl_module, Stage)
            drop_rows(self.path, pl_module.name, start)

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        assert isinstance(pl_module, Stage)
        step = trainer.global_step - 1
        self._rows += [(pl_module.name, step, term, f"{value:.6g}") for term, value in pl_module.term_values.items()]

    @override
    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.is_global_zero:
            with output_errors(self.path), self.path.open("a", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows(self._rows)
        self._rows = []


class StageProgress(pl.Callback):
    """Reports the steps of a stage under its name, with the loss.

    Args:
        bar: show a bar on the terminal instead of lines in the log.
    """

    def __init__(self, *, bar: bool) -> None:
        self.bar = bar
        self._stack = ExitStack()
        self._shown: Progress | None = None

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.is_global_zero:
            assert isinstance(pl_module, Stage)
            progress = Progress(pl_module.name, pl_module.total_steps, bar=self.bar, done=trainer.global_step)
            self._shown = self._stack.enter_context(progress)

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self._shown is not None:
            assert isinstance(pl_module, Stage)
            self._shown.advance(note=f"loss {pl_module.term_values['loss']:.4g}")

    @override
    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._stack.close()

    @override
    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        self._stack.__exit__(type(exception), exception, None)


def drop_rows(path: Path, stage: str, start: int) -> None:
    """Keeps the rows of other stages and those of `stage` before step `start`; a damaged row is dropped."""
    kept = io.StringIO(newline="")
    writer = csv.writer(kept)
    writer.writerow(_HEADER)
    if path.is_file():
        with path.open(newline="", encoding="utf-8") as file:
            for row in list(csv.reader(file))[1:]:
                if len(row) == len(_HEADER) and row[1].isdigit() and (row[0] != stage or int(row[1]) < start):
                    writer.writerow(row)
    write_atomically(path, lambda temporary: temporary.write_text(kept.getvalue(), encoding="utf-8", newline=""))
