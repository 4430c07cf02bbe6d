"""What a person waits for: a folder from decoding to CSV, training, the start of a command; and the memory it takes."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from measuring.timing import in_fresh_process
from measuring.workers import Detector, environment_of
from utad.loading import Runtime


def run_utad(*arguments: str, environment: Mapping[str, str] | None = None) -> tuple[dict[str, Any], float]:
    """Runs `utad ... --json` as a whole process: its object, and the seconds of wall-clock time."""
    command = [sys.executable, "-c", "from utad.cli import main; main()", *arguments, "--json"]
    start = time.perf_counter()
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment)
    return json.loads(done.stdout), time.perf_counter() - start


def score_folder(run: str, folder: str, runtime: Runtime) -> float:
    """Seconds of what `utad predict RUN FOLDER --save none` does once the model is loaded."""
    from utad import load_detector
    from utad.evaluation.predicting import predict_to_folder

    detector = load_detector(run, runtime=runtime)
    with tempfile.TemporaryDirectory() as output:
        return _seconds(lambda: predict_to_folder(detector, [Path(folder)], Path(output), save=frozenset()))


def folder_rate(run: Path, folder: Path, count: int, repetitions: int, *, runtime: str = "auto") -> dict[str, Any]:
    """Images per second over a folder of `count` images, each time in a process of its own."""
    runs = [in_fresh_process(score_folder, str(run), str(folder), runtime) for _ in range(repetitions)]
    rates = [count / seconds for seconds, _ in runs]
    return {
        "images": count,
        "images_per_second": round(statistics.median(rates), 2),
        "range": [round(min(rates), 2), round(max(rates), 2)],
        "n": repetitions,
        "peak_memory_mb": max(peak for _, peak in runs),
    }


def memory_growth(run: Path, small: Path, large: Path, counts: tuple[int, int]) -> dict[str, Any]:
    """Peak memory of scoring a small and a large folder, and the ratio of both."""
    peaks = [in_fresh_process(score_folder, str(run), str(folder), "auto")[1] for folder in (small, large)]
    return {"images": list(counts), "peak_memory_mb": peaks, "ratio": round(peaks[1] / peaks[0], 4)}


def training(preset: str, data: str = "elpv-mono") -> dict[str, Any]:
    """Seconds of `utad train DATA`, from the start of the process to model, graph and its end."""
    with tempfile.TemporaryDirectory() as folder:
        report, seconds = run_utad("train", data, "--preset", preset, "--output", f"{folder}/run")
    return {
        "data": data,
        "images": report["n_images"],
        "seconds": round(seconds, 1),
        "stage_seconds": {stage: round(value, 1) for stage, value in report["stage_seconds"].items()},
    }


def export_seconds(run: Path, repetitions: int) -> dict[str, Any]:
    """Seconds that writing the graph adds to training, each time in a process of its own."""
    return seconds_summary([in_fresh_process(save_graph, str(run))[0] for _ in range(repetitions)])


def save_graph(run: str) -> float:
    """Seconds of `UTAD.save` with the graph, over those without.

    Raises:
        FileNotFoundError: if no graph was written.
    """
    from utad import UTAD
    from utad.run_folder import GRAPH_FORMAT, write_config

    detector = UTAD.load(run)
    with tempfile.TemporaryDirectory() as folder:
        write_config(Path(folder), detector.config)
        without = _seconds(lambda: detector.save(folder, graph=False))
        seconds = _seconds(lambda: detector.save(folder))
        if not (Path(folder) / GRAPH_FORMAT).is_dir():
            raise FileNotFoundError("no graph was written beside the model; the reason is above")
    return seconds - without


def start_up(detectors: Mapping[str, Detector], image: Path, repetitions: int) -> dict[str, dict[str, Any]]:
    """Seconds of `utad predict MODEL IMAGE --save none` as a whole process, the detectors taking turns.

    The first round, which fills the file cache, is not counted.
    """
    seconds: dict[str, list[float]] = {name: [] for name in detectors}
    for index in range(repetitions + 1):
        for name, detector in detectors.items():
            runtime = ("--runtime", "torch") if detector.eager else ()
            with tempfile.TemporaryDirectory() as output:
                _, taken = run_utad(
                    *("predict", str(detector.path), str(image), "--output", output, "--save", "none", *runtime),
                    environment=environment_of(detector.source),
                )
            if index > 0:
                seconds[name].append(taken)
    return {name: seconds_summary(values) for name, values in seconds.items()}


def seconds_summary(values: Sequence[float]) -> dict[str, Any]:
    """Median, range and number."""
    return {
        "median_s": round(statistics.median(values), 3),
        "range_s": [round(min(values), 3), round(max(values), 3)],
        "n": len(values),
    }


def _seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start
