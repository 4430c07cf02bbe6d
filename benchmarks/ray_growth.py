"""Scores 1,000, 10,000 and 100,000 small images by `utad predict` and by two workers of Ray; kills a worker, and a run.

    python benchmarks/ray_growth.py MODEL --counts 1000,10000,100000 --output benchmarks/results/ray_growth.json

MODEL is a run or an exported folder; nothing depends on what it has learnt. The images are links to 64 files of 64 x 64
pixels. For each count: the plain command, Ray with two workers, and Ray with a worker killed in the middle. Of the last
count a run is killed as well, and resumed. Seconds are those of whole commands; memory is the highest sum of the
proportional set sizes (PSS) of a command and all its processes. Exits with 1 where an image is missing or comes twice.
Needs the extra `ray`, and Linux.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from measuring.ray_workers import processes_below, workers_below
from utad.dependencies import require
from utad.evaluation.provenance import commit, machine, versions

FILES = 64
SIDE = 64
EVERY = 0.5
"""Seconds between two looks at the processes."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, writes the JSON, and says whether every image was there once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--counts", default="1000,10000,100000")
    parser.add_argument("--output", type=Path, required=True)
    given = parser.parse_args(arguments)
    counts = [int(count) for count in given.counts.split(",")]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = []
        for count in counts:
            for row in _measured(given.model, folder, count, last=count == counts[-1]):
                print(json.dumps(row), flush=True)
                rows.append(row)
    result = {"rows": rows, "side": SIDE, "versions": versions(), "machine": machine(), "commit": commit()}
    result["ray"] = require("ray").__version__
    given.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return int(any(row["missing"] or row["repeated"] for row in rows))


def _measured(model: str, folder: Path, count: int, *, last: bool) -> Iterator[dict[str, Any]]:
    images = _images(folder / f"images-{count}", count)
    base = [model, str(images), "--output"]
    ray = ["--engine", "ray", "--workers", "2"]
    one = {"OMP_NUM_THREADS": "1"}
    yield _row("predict", count, _run([*base, str(folder / f"plain-{count}"), "--save", "none"], one), folder)
    whole = _run([*base, str(folder / f"ray-{count}"), *ray], one)
    yield _row("ray", count, whole, folder)
    middle = whole["seconds"] / 2
    killed = _run([*base, str(folder / f"killed-{count}"), *ray], one, kill_worker=middle)
    yield _row("killed", count, killed, folder)
    if last:
        output = str(folder / f"resumed-{count}")
        first = _run([*base, output, *ray], one, kill=middle)
        second = _run([*base, output, *ray, "--resume"], one)
        yield _row("resumed", count, {**second, "before": first["seconds"]}, folder)


def _images(folder: Path, count: int) -> Path:
    folder.mkdir()
    random = np.random.default_rng(0)
    files = []
    for index in range(FILES):
        file = folder / f"{index:06}.png"
        PIL.Image.fromarray(random.integers(0, 256, (SIDE, SIDE, 3), np.uint8)).save(file)
        files.append(file)
    for index in range(FILES, count):
        os.link(files[index % FILES], folder / f"{index:06}.png")
    return folder


def _run(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    *,
    kill_worker: float | None = None,
    kill: float | None = None,
) -> dict[str, Any]:
    """Runs `utad predict`; after so many seconds kills a worker of it, or all of it."""
    start = time.perf_counter()
    command = [sys.executable, "-c", "from utad.cli import main; main()", "predict", *arguments]
    process = subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    peak, killed = 0, 0
    while process.poll() is None:
        time.sleep(EVERY)
        passed = time.perf_counter() - start
        peak = max(peak, sum(map(_memory, [process.pid, *processes_below(process.pid)])))
        if kill_worker is not None and passed > kill_worker and not killed:
            for worker in workers_below(process.pid)[:1]:
                os.kill(worker, signal.SIGKILL)
                killed += 1
        if kill is not None and passed > kill:
            process.kill()
    _, errors = process.communicate()
    if process.returncode and kill is None:
        raise SystemExit(errors.decode())
    return {"seconds": round(time.perf_counter() - start, 1), "peak_mb": peak // 1024, "workers_killed": killed}


def _memory(process: int) -> int:
    """Kilobytes, of shared pages a share; 0 of a process that has ended."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def _row(kind: str, count: int, run: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    output = folder / f"{'plain' if kind == 'predict' else kind}-{count}"
    if kind == "predict":
        lines = (output / "predictions.csv").read_text(encoding="utf-8").splitlines()[1:]
        paths = Counter(line.partition(",")[0] for line in lines)
    else:
        table = require("pyarrow.parquet").read_table(output / "predictions", columns=["path"])
        paths = Counter(table["path"].to_pylist())
    return {
        "kind": kind,
        "images": count,
        **run,
        "images_per_second": round(count / run["seconds"], 1),
        "missing": count - len(paths),
        "repeated": sum(paths.values()) - len(paths),
    }


if __name__ == "__main__":
    sys.exit(main())
