"""Kills `utad watch` with SIGKILL at random points while images come, and counts: each is to be scored exactly once.

    python benchmarks/watch_kills.py --images 10000 --kills 20 --folder /tmp/watch-kills

The engine is a light one, since it is the folder, the journal and the tables that are tried. Images come in three ways:
written under a temporary name and renamed, written in two parts, and moved in with a folder. Prints one JSON object,
which benchmarks/results/watch_kills.json keeps, and exits with 1 where an image is missing or scored twice.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from utad.output_record import RECORD_NAME
from utad.predictor import Predictor
from utad.serving.watch.folder import WatchOptions, watch_folder
from utad.types import EngineResult, Image

START_SECONDS = 120.0
"""For a process to score its first image."""


class Brightness:
    """An engine that calls bright images anomalous."""

    max_batch = 8
    same_size = False
    streams = 1

    def run(self, images: Sequence[Image], *, concurrent: bool = False) -> list[EngineResult]:
        """One result per image."""
        del concurrent
        return [_result(image) for image in images]


def _result(image: Image) -> EngineResult:
    level = image.mean(axis=2, dtype=np.float32) / 255  # (H, W)
    score = float(level.mean())
    return EngineResult(pred_score=score, raw_score=score, anomaly_map=level)


def watch(folder: Path, output: Path, *, once: bool = False, flagged: Path | None = None) -> None:
    """What the process does that is killed."""
    options = WatchOptions(settle=0.2, once=once, save=frozenset({"maps"}), flagged=flagged)
    watch_folder(Predictor(Brightness(), threads=1), folder, output, options=options, run="brightness")


def kill_and_count(place: Path, *, images: int, kills: int, seed: int = 0) -> dict[str, Any]:
    """Lets images come, kills the process so often meanwhile, lets it end, and counts.

    A part of the images comes to each process. Three of four are killed after a random image of its part, the fourth
    after a random time, which may be before its first.

    Args:
        place: an empty folder.
        images: that come.
        kills: with SIGKILL.
        seed: of the points.

    Returns:
        Counts of images, rows, missing, repeated, images that were scored at each kill, and seconds.
    """
    chance, started = random.Random(seed), time.monotonic()
    folder, output = place / "in", place / "out"
    folder.mkdir()
    ends = [images * (part + 1) // (kills + 1) for part in range(kills + 1)]
    killed_at = []
    for kill, (first, end) in enumerate(pairwise([0, *ends])):
        arriving = threading.Thread(target=_arrive, args=(folder, place / "making", range(first, end)), daemon=True)
        arriving.start()
        if kill == kills:
            arriving.join()
            break
        process = _start(folder, output)
        if kill % 4 == 3:
            time.sleep(chance.uniform(0.0, 2.0))
        else:
            _wait_for(process, output / RECORD_NAME, chance.randrange(first, end))
            time.sleep(chance.uniform(0.0, 0.01))
        process.send_signal(signal.SIGKILL)
        process.wait()
        killed_at.append(_n_noted(output / RECORD_NAME))
        arriving.join()
    last = _start(folder, output, "--once")
    if last.wait() != 0:
        raise RuntimeError(f"the last process ended with {last.returncode}")
    counts = {name: _names(output / name) for name in ("predictions.csv", "predictions.jsonl")}
    expected = {path.relative_to(folder).as_posix() for path in folder.rglob("*.png")}
    return {
        "images": len(expected),
        "rows": {name: found.total() for name, found in counts.items()},
        "missing": sum(len(expected - found.keys()) for found in counts.values()),
        "repeated": sum(count - 1 for found in counts.values() for count in found.values()),
        "kills": kills,
        "scored_at_each_kill": killed_at,
        "seconds": round(time.monotonic() - started, 1),
    }


def _arrive(folder: Path, making: Path, numbers: range) -> None:
    made = making / "moved"
    made.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        data = _png(number)
        name = f"{number:06d}.png"
        if number % 3 == 0:
            part = folder / f"{name}.part"
            part.write_bytes(data)
            part.rename(folder / name)
        elif number % 3 == 1:
            with (folder / name).open("wb") as file:
                file.write(data[: len(data) // 2])
                file.flush()
                time.sleep(0.002)
                file.write(data[len(data) // 2 :])
        else:
            (made / name).write_bytes(data)
        if number % 50 == 49 or number == numbers[-1]:
            made.rename(folder / f"moved-{number:06d}")
            made.mkdir()


def _png(number: int) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    stream = BytesIO()
    PIL.Image.fromarray(pixels).save(stream, format="PNG")
    return stream.getvalue()


def _start(folder: Path, output: Path, *options: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, __file__, "--watch", str(folder), "--output", str(output), *options]
    return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))})


def _wait_for(process: subprocess.Popen[bytes], record: Path, images: int) -> None:
    """Until so many images stand in the journal."""
    deadline = time.monotonic() + START_SECONDS
    seen = -1
    while (count := _n_noted(record)) < images:
        if process.poll() is not None:
            raise RuntimeError(f"the process ended with {process.returncode}")
        if count != seen:
            seen, deadline = count, time.monotonic() + START_SECONDS
        if time.monotonic() > deadline:
            raise RuntimeError(f"stuck at {count} of {images} images")
        time.sleep(0.01)


def _n_noted(record: Path) -> int:
    return record.read_bytes().count(b'"image":') if record.is_file() else 0


def _names(table: Path) -> Counter[str]:
    with table.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file) if table.suffix == ".csv" else map(json.loads, file)
        return Counter(row["path"] for row in rows)


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="to work in; a temporary one, removed at the end, if not given")
    parser.add_argument("--watch", type=Path, help="be the process that is killed, for this folder")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--once", action="store_true")
    arguments = parser.parse_args()
    if arguments.watch is not None:
        watch(arguments.watch, arguments.output, once=arguments.once)
        return 0
    if arguments.folder is not None:
        arguments.folder.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(dir=arguments.folder))
    try:
        result = kill_and_count(place, images=arguments.images, kills=arguments.kills, seed=arguments.seed)
    finally:
        shutil.rmtree(place)
    print(json.dumps(result))
    return int(result["missing"] > 0 or result["repeated"] > 0)


if __name__ == "__main__":
    sys.exit(main())
