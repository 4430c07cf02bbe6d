"""What a person waits for: a folder from decoding to CSV, training, the start of a command; and the memory it takes."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from measuring.timing import in_fresh_process

UTAD_COMMAND = [sys.executable, "-c", "from utad.cli import main; main()"]


def score_folder(model: str, folder: str) -> float:
    """Seconds of what `utad predict MODEL FOLDER --save none` does once the model is loaded."""
    from utad import UTAD
    from utad.evaluation.predicting import predict_to_folder

    detector = UTAD.load(model)
    with tempfile.TemporaryDirectory() as output:
        start = time.perf_counter()
        predict_to_folder(detector, [Path(folder)], Path(output), save=frozenset())
        return time.perf_counter() - start


def folder_rate(model: Path, folder: Path, count: int, repetitions: int) -> dict[str, Any]:
    """Images a second over a folder of `count` images, each time in a process of its own."""
    runs = [in_fresh_process(score_folder, str(model), str(folder)) for _ in range(repetitions)]
    rates = [count / seconds for seconds, _ in runs]
    return {
        "images": count,
        "images_per_second": round(statistics.median(rates), 2),
        "range": [round(min(rates), 2), round(max(rates), 2)],
        "n": repetitions,
        "peak_memory_mb": max(peak for _, peak in runs),
    }


def memory_growth(model: Path, small: Path, large: Path, counts: tuple[int, int]) -> dict[str, Any]:
    """Peak memory of scoring a small and a large folder, and the ratio of both."""
    peaks = [in_fresh_process(score_folder, str(model), str(folder))[1] for folder in (small, large)]
    return {"images": list(counts), "peak_memory_mb": peaks, "ratio": round(peaks[1] / peaks[0], 4)}


def training(preset: str, data: str = "elpv-mono") -> dict[str, Any]:
    """Seconds of `utad train DATA`, from the start of the process to the model file and its end."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        done = subprocess.run(
            [*UTAD_COMMAND, "train", data, "--preset", preset, "--output", f"{folder}/run", "--json"],
            check=True,
            stdout=subprocess.PIPE,
        )
        seconds = time.perf_counter() - start
        report = json.loads(done.stdout)
    return {
        "data": data,
        "images": report["n_images"],
        "seconds": round(seconds, 1),
        "stage_seconds": {stage: round(value, 1) for stage, value in report["stage_seconds"].items()},
    }


def start_up(models: Mapping[str, Path], image: Path, repetitions: int) -> dict[str, dict[str, Any]]:
    """Seconds of `utad predict MODEL IMAGE --save none` as a whole process, the models taking turns.

    The first round, which fills the file cache, is not counted.
    """
    seconds: dict[str, list[float]] = {name: [] for name in models}
    for index in range(repetitions + 1):
        for name, model in models.items():
            with tempfile.TemporaryDirectory() as output:
                start = time.perf_counter()
                _predict(model, image, output)
                if index > 0:
                    seconds[name].append(time.perf_counter() - start)
    return {name: seconds_summary(values) for name, values in seconds.items()}


def seconds_summary(values: Sequence[float]) -> dict[str, Any]:
    """Median, range and number."""
    return {
        "median_s": round(statistics.median(values), 3),
        "range_s": [round(min(values), 3), round(max(values), 3)],
        "n": len(values),
    }


def _predict(model: Path, image: Path, output: str) -> None:
    subprocess.run(
        [*UTAD_COMMAND, "predict", str(model), str(image), "--output", output, "--save", "none"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
