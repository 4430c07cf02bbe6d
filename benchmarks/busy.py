"""Times a small training alone and beside other busy processes, which take cores that its threads count on.

    python benchmarks/busy.py [--variant NAME=VALUE,... ...]

Each variant is a set of environment variables, such as OMP_WAIT_POLICY=PASSIVE or GOMP_SPINCOUNT=0, that is tried
beside the environment as it is. Takes about a minute per variant, case and repetition on two cores. `docs/render.py`
puts the figures into docs/performance.md. Nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from measuring.folders import run_utad, seconds_summary
from utad.evaluation.provenance import commit, machine, versions

SEED, THREADS, REPETITIONS = 0, 2, 3
STEPS = {
    "ie_training.steps": 40,
    "expert_training.steps": 30,
    "feature_training.steps": 100,
    "feature_training.examples": 200,
}
SETTINGS = tuple(word for setting, value in STEPS.items() for word in ("--set", f"{setting}={value}"))
TRAINING = ("train", "brick", "--preset", "fast", *SETTINGS, "--no-graph", "--seed", str(SEED))
ALONE = "none"
CASES = {ALONE: (0, False), "1, pinned to one core": (1, True), "3, not pinned": (3, False)}
"""Number of busy processes, and whether they are pinned."""


@contextmanager
def busy_processes(count: int, *, pinned: bool) -> Iterator[None]:
    """Keeps `count` processes busy, each pinned to the last core if asked for."""
    core = max(os.sched_getaffinity(0))
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        for process in processes if pinned else ():
            os.sched_setaffinity(process.pid, {core})
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def variant_of(text: str) -> dict[str, str]:
    """The environment variables of `NAME=VALUE,...`.

    Raises:
        ArgumentTypeError: if it is something else.
    """
    pairs = [pair.partition("=") for pair in text.split(",")]
    if not all(name and value for name, _, value in pairs):
        raise argparse.ArgumentTypeError(f"got {text!r}, expected NAME=VALUE,...")
    return {name: value for name, _, value in pairs}


def train_seconds(variant: Mapping[str, str]) -> float:
    """Seconds of one training as a whole process."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(THREADS), **variant}
    with tempfile.TemporaryDirectory() as folder:
        return run_utad(*TRAINING, "--output", f"{folder}/run", environment=environment)[1]


def measure(variants: Mapping[str, Mapping[str, str]], cases: Sequence[str], repetitions: int) -> dict[str, Any]:
    """Every variant in every case, all of them taking turns."""
    seconds: dict[tuple[str, str], list[float]] = {(name, case): [] for name in variants for case in cases}
    for _ in range(repetitions):
        for (name, case), values in seconds.items():
            count, pinned = CASES[case]
            with busy_processes(count, pinned=pinned):
                values.append(train_seconds(variants[name]))
            print(f"{values[-1]:7.1f} s  {name}; busy processes: {case}", flush=True)
    found: dict[str, Any] = {name: {} for name in variants}
    for (name, case), values in seconds.items():
        timed = seconds_summary(values)
        alone = found[name].get(ALONE, timed)["median_s"]
        found[name][case] = {**timed, "ratio": round(timed["median_s"] / alone, 2)}
    return found


def main(argv: Sequence[str] | None = None) -> None:
    """Measures and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--variant", type=variant_of, action="append", default=[], metavar="NAME=VALUE,...", help="repeatable"
    )
    parser.add_argument("--cases", type=int, default=len(CASES), help="how many of the cases, from the first on")
    parser.add_argument("--repetitions", type=int, default=REPETITIONS)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/busy.json"))
    arguments = parser.parse_args(argv)
    if arguments.repetitions < 1:
        parser.error(f"--repetitions: got {arguments.repetitions}, expected at least 1")
    named = {" ".join(f"{key}={value}" for key, value in variant.items()): variant for variant in arguments.variant}
    document = {
        "machine": machine(),
        "versions": versions(),
        "commit": commit(),
        "seed": SEED,
        "threads": THREADS,
        "short": arguments.repetitions < REPETITIONS or arguments.cases < len(CASES),
        "command": f"utad {' '.join(TRAINING)}",
        "variants": measure({"default": {}, **named}, list(CASES)[: arguments.cases], arguments.repetitions),
    }
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
