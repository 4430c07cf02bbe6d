"""Times utad against the methods of anomalib at batch 1 on the same images and cores, in the same span of time.

    python benchmarks/other_libraries.py [--venv runs/other-libraries-venv] [--exports NAME ...]

Makes an environment of its own for anomalib at first (several GB) and takes about ten minutes after that. It compares
speed only: weights are random, and what a method learns from normal images is filled with random values of the size
that 200 of them would give. Each method of anomalib is as it ships, eager, at 256 px.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch

from measuring.exports import Export, add_exports_argument, exports_of, write_exports
from measuring.subjects import camera_images, fit_for_timing
from measuring.targets import other_libraries_targets
from measuring.timing import summary
from measuring.utad_worker import SCORE
from measuring.workers import Detector, Method, Worker, names_of, start_utad, take_turns
from utad.evaluation.provenance import commit, machine, versions

ANOMALIB = "2.7.0"
PRESETS = ("fast", "balanced")
SIDE = 256
IMAGES = 8
ROUNDS = 10
"""With fewer the page says that it was a short run."""


def arguments_of(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line, checked before anything takes time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venv", type=Path, default=Path("runs/other-libraries-venv"), help="anomalib's environment")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="turns of each method, of three repetitions each")
    add_exports_argument(parser)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/other_libraries.json"))
    arguments = parser.parse_args(argv)
    if arguments.rounds < 1:
        parser.error(f"--rounds: got {arguments.rounds}, expected at least 1")
    return arguments


def environment(venv: Path) -> Path:
    """The Python of anomalib's environment, which is made if need be, with the torch that runs here."""
    python = venv / "bin" / "python"
    if not python.is_file():
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    found = subprocess.run(
        [str(python), "-c", "from importlib.metadata import version; print(version('anomalib'))"],
        capture_output=True,
        text=True,
    )
    if found.stdout.strip() != ANOMALIB:
        own = versions()
        same = [f"{package}=={own[package].split('+')[0]}" for package in ("torch", "torchvision")]
        subprocess.run([str(python), "-m", "pip", "install", *same, f"anomalib=={ANOMALIB}"], check=True)
    return python.absolute()


def measure(python: Path, exports: Sequence[Export], rounds: int) -> dict[str, Any]:
    """Every method in turns: its times, or why there are none."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        images = Path(folder) / "images.npy"
        np.save(images, np.stack(list(camera_images(IMAGES, side=SIDE))))
        runs = {preset: fit_for_timing(preset, Path(folder) / preset) for preset in PRESETS}
        facts: dict[str, dict[str, Any]] = {}
        detectors: dict[str, Detector] = {}
        for preset, run in runs.items():
            for name, runtime in ((f"{preset}-default", "default"), (f"{preset}-eager-fp32", "eager")):
                facts[name] = {"preset": preset, "runtime": runtime, "precision": "fp32"}
                detectors[name] = Detector(run, eager=runtime == "eager")
        facts |= {
            export.name: {"preset": export.preset, "runtime": export.runtime, "precision": export.precision}
            for export in exports
        }
        folders = write_exports(runs, exports, Path(folder) / "exports")
        detectors |= {name: Detector(exported) for name, exported in folders.items()}
        workers, unloaded = start_utad(detectors, images, stack)
        own = [Method(name, worker, SCORE) for name, worker in workers.items()]
        others = stack.enter_context(Worker("other_libraries_worker.py", [str(images)], str(python)))
        methods = in_turns(own, [Method(name, others, name) for name in others.actions])
        seconds, failures = take_turns(methods, rounds)
    return {
        "short": rounds < ROUNDS,
        "threads": others.facts["threads"],
        "other_versions": others.facts["versions"],
        "methods": {
            name: {
                "family": "utad" if name in facts else "anomalib",
                **facts.get(name, {"parameters": others.facts["parameters"].get(name)}),
                **summary(values),
            }
            for name, values in seconds.items()
        },
        "failures": {**unloaded, **names_of(others.facts), **failures},
    }


def in_turns(own: Sequence[Method], others: Sequence[Method]) -> list[Method]:
    """The order of one round: utad's methods and those of other libraries alternate."""
    order: list[Method] = []
    for index in range(max(len(own), len(others))):
        order += own[index : index + 1]
        order += others[index : index + 1]
    return order


def describe(measured: Mapping[str, Any]) -> dict[str, Any]:
    """The document: what was measured, on what it rests, and the targets."""
    document = {
        "note": (
            "Speed only: the weights are random, and banks and statistics are random values of the size that "
            "200 normal images give. Detection is compared elsewhere."
        ),
        "machine": machine(),
        "versions": versions(),
        "commit": commit(),
        "image_side": SIDE,
        "batch": 1,
        **measured,
    }
    return {**document, "targets": other_libraries_targets(document)}


def main(argv: Sequence[str] | None = None) -> None:
    """Measures and writes the results."""
    arguments = arguments_of(argv)
    document = describe(measure(environment(arguments.venv), exports_of(arguments.exports, PRESETS), arguments.rounds))
    if document["threads"] != torch.get_num_threads():
        raise SystemExit(f"anomalib ran on {document['threads']} threads, utad on {torch.get_num_threads()}")
    for name, method in document["methods"].items():
        print(f"{method['median_ms']:9.1f} ms  {name}")
    for name, reason in document["failures"].items():
        print(f"   failed  {name}: {reason}")
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
