"""Watching with a light engine: bright images are anomalous."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tests import fabricate
from utad.predictor import Predictor
from utad.serving.watch.folder import WatchOptions, watch_folder
from utad.serving.watch.results import WatchSummary
from watch_kills import Brightness

STOP = "stop.png"


class Halt(BaseException):
    """Stands for a signal."""


class Counting(Predictor):
    """Notes what it scores, and halts at the image `STOP`."""

    def __init__(self) -> None:
        super().__init__(Brightness(), threads=1)
        self.scored: list[str] = []

    def predict_batches(self, samples, *, batch_size=8, after=0):
        for batch in super().predict_batches(samples, batch_size=batch_size, after=after):
            if any(sample.name == STOP for sample, _ in batch):
                raise Halt
            self.scored += [sample.name for sample, _ in batch]
            yield batch


def image(path: Path, *, bright: bool = False, size: int = 8) -> Path:
    return fabricate.save(path, np.full((size, size, 3), 250 if bright else 20, np.uint8))


def once(folder: Path, output: Path, *, run: str = "model", channels: Any = (), **options: Any) -> WatchSummary:
    chosen = WatchOptions(**{"settle": 0.0, "once": True, "save": frozenset(), **options})
    return watch_folder(Counting(), folder, output, options=chosen, channels=channels, run=run)


def rows(output: Path) -> list[dict[str, Any]]:
    table = output / "predictions.jsonl"
    lines = table.read_text(encoding="utf-8").splitlines() if table.is_file() else ()
    return [json.loads(line) for line in lines]


def paths(output: Path) -> list[str]:
    return [row["path"] for row in rows(output)]


def until(reached: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextmanager
def watching(folder: Path, output: Path, **options: Any) -> Iterator[Counting]:
    """Watches in a thread for the length of the block."""
    chosen = WatchOptions(**{"settle": 0.1, "save": frozenset(), **options})
    detector, ended = Counting(), []

    def run() -> None:
        try:
            watch_folder(detector, folder, output, options=chosen, run="model")
        except BaseException as error:
            ended.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield detector
    finally:
        image(folder / STOP)
        thread.join(60)
        (folder / STOP).unlink()
    assert not thread.is_alive()
    assert [type(error) for error in ended] == [Halt], ended
    n_rows = len(rows(output))
    assert f"{n_rows} rows are in {output / 'predictions.csv'}; the same command goes on" in ended[0].__notes__[-1]
