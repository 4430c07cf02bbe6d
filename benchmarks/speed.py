"""Times scoring and training, whole and part by part, and records how far each is from its arithmetic roofline.

    python benchmarks/speed.py [PRESET ...] [--training] [--exports NAME ...] [--before PATH]

`PRESET-default` is the route that `utad predict RUN` takes by itself, the graph beside the model; `PRESET-eager-fp32`
is the network in PyTorch. Takes some ten minutes per preset on two cores, with `--training` three more.
`docs/render.py` puts the figures into docs/performance.md. The detector is trained for two steps, which changes none of
its times, and calibrated on enough images for its statistics to have their true size. Nothing else should run
meanwhile.

With `--before`, a source tree of an earlier version is timed in turns with this one: `git worktree add PATH COMMIT`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch

from measuring.exports import add_exports_argument, exports_of, write_exports
from measuring.folders import export_seconds, folder_rate, memory_growth, start_up, training
from measuring.parts import WHOLE, time_scoring, time_training
from measuring.subjects import camera_images, fit_for_timing, link_files, write_jpegs
from measuring.targets import BATCH, preset_of, speed_targets
from measuring.timing import in_fresh_process, multiply_add_rate, summary, with_roofline
from measuring.utad_worker import GEMM, SCORE, SCORE_ALL
from measuring.workers import Detector, Method, environment_of, start_utad, take_turns
from utad.config.loading import PRESETS
from utad.evaluation.provenance import commit, machine, versions

SMALL_FOLDER = 100
AT_BATCH = f", batch {BATCH}"
BEFORE = "before "
"""What the names of an earlier version's detectors begin with while they are timed."""
ROUNDS, IMAGES, MEMORY_IMAGES = 30, 1000, 10_000
"""What a run that counts takes; with less of any the page says that it was a short one."""


def arguments_of(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line, checked before anything takes time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("presets", nargs="*", metavar="PRESET", help="fast and balanced if none is given")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="repetitions at batch 1; a third of them at 16")
    parser.add_argument("--images", type=int, default=IMAGES, help="JPEG files in the folder that is scored")
    parser.add_argument(
        "--memory-images",
        type=int,
        default=MEMORY_IMAGES,
        help="files in the large folder, of the first preset; 0: not measured",
    )
    parser.add_argument("--repetitions", type=int, default=3, help="of the folder and of whole processes")
    parser.add_argument(
        "--training", action="store_true", help="train the first preset on elpv-mono too (extra bench, minutes)"
    )
    parser.add_argument("--before", type=Path, help="source tree of an earlier version, timed in the same run")
    add_exports_argument(parser)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/speed.json"))
    arguments = parser.parse_args(argv)
    arguments.presets = arguments.presets or ["fast", "balanced"]
    unknown = sorted(set(arguments.presets).difference(PRESETS))
    if unknown:
        parser.error(f"unknown preset {', '.join(unknown)}: choose from {', '.join(PRESETS)}")
    if min(arguments.rounds, arguments.repetitions) < 1 or arguments.images < BATCH or arguments.memory_images < 0:
        parser.error(f"--rounds and --repetitions must be at least 1, --images at least {BATCH}, --memory-images 0")
    if arguments.before is not None and not (arguments.before / "src" / "utad").is_dir():
        parser.error(f"--before: {arguments.before} holds no src/utad")
    return arguments


def measure_preset(preset: str, run: Path, files: list[Path], arguments: argparse.Namespace) -> dict[str, Any]:
    """Everything about one preset; the memory of each mode is that of a process of its own."""
    fewer = max(3, arguments.rounds // 3)
    scoring = {}
    for batch, rounds in ((1, arguments.rounds), (BATCH, fewer)):
        timed, peak = in_fresh_process(time_scoring, str(run), [str(file) for file in files[:batch]], rounds)
        scoring[str(batch)] = {**timed, "peak_memory_mb": peak}
        show(f"{preset}, scoring in PyTorch, batch {batch}: {timed['parts'][WHOLE]['median_ms']} ms per image")
    steps, peak = in_fresh_process(time_training, preset, fewer)
    entry = {"scoring": scoring, "training": {**steps, "peak_memory_mb": peak}}
    folder = files[0].parent
    entry["folder"] = folder_rate(run, folder, len(files), arguments.repetitions)
    entry["folder_torch"] = folder_rate(run, folder, len(files), arguments.repetitions, runtime="torch")
    entry["export_seconds"] = export_seconds(run, arguments.repetitions)
    show(f"{preset}, folder: {entry['folder']['images_per_second']} images per second")
    if preset != arguments.presets[0]:
        return entry
    if arguments.memory_images:
        counts = (SMALL_FOLDER, arguments.memory_images)
        small, large = (link_files(files, folder.parent / f"{preset}-{count}", count) for count in counts)
        entry["memory_growth"] = memory_growth(run, small, large, counts)
        show(f"{preset}, memory: {entry['memory_growth']['peak_memory_mb']} MB")
    if arguments.training:
        entry["training_run"] = training(preset)
        show(f"{preset}, training: {entry['training_run']['seconds']} s")
    return entry


def measure_routes(
    detectors: dict[str, Detector], file: Path, work: Path, counts: dict[str, int], arguments: argparse.Namespace
) -> dict[str, Any]:
    """All detectors in turns: one image, a batch with its distance to the roofline, and start-up.

    Args:
        detectors: by name.
        file: the image of the start-up.
        work: a folder for the images that are scored.
        counts: multiply-adds per image of each preset.
        arguments: the command line's.
    """
    images = work / "images.npy"
    np.save(images, np.stack(list(camera_images(BATCH))))
    with ExitStack() as stack:
        workers, failures = start_utad(detectors, images, stack)
        single = [Method(name, worker, SCORE) for name, worker in workers.items()]
        batch = [Method(f"{name}{AT_BATCH}", worker, SCORE_ALL) for name, worker in workers.items()]
        product = [Method(GEMM, worker, GEMM) for worker in workers.values() if GEMM in worker.actions][:1]
        seconds, failed = take_turns([*single, *product, *batch], max(3, arguments.rounds // 3))
    names = [name for name in workers if name in seconds]
    batched = {name: seconds[f"{name}{AT_BATCH}"] for name in names if f"{name}{AT_BATCH}" in seconds}
    # Without the GEMM there is no roofline to compare with.
    rate = multiply_add_rate(seconds[GEMM]) if GEMM in seconds else None
    # An earlier version has one route or no option to choose it: its start is that of the default route.
    started = {name: detectors[name] for name in names if not (name.startswith(BEFORE) and detectors[name].eager)}
    return {
        "latency": {
            name: {**summary(seconds[name]), "torch_imported": workers[name].facts["torch_imported"]} for name in names
        },
        f"batch_{BATCH}": {
            "multiply_adds_per_second": round(rate) if rate else None,
            "runtimes": {
                name: with_roofline(summary(values, images=BATCH), counts[preset_of(name.removeprefix(BEFORE))], rate)
                for name, values in batched.items()
            }
            if rate
            else {},
        },
        "start_up": start_up(started, file, arguments.repetitions),
        "failures": {**failures, **failed},
    }


def fit_before(preset: str, source: Path, work: Path) -> tuple[Path, str]:
    """A model file that an earlier version writes, and its commit."""
    run = work / f"before-{preset}"
    code = (
        "import sys; from pathlib import Path; from measuring.subjects import fit_for_timing; "
        "from utad.evaluation.provenance import commit; fit_for_timing(sys.argv[1], Path(sys.argv[2])); print(commit())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, preset, str(run)],
        check=True,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        env=environment_of(source),
    )
    return run / "model.safetensors", done.stdout.split()[-1]


def with_before(measured: dict[str, Any], commit_before: str) -> dict[str, Any]:
    """What `measure_routes` gives, with the figures of an earlier version moved to `before`, under the same names."""
    batch = measured[f"batch_{BATCH}"]
    parts = {"latency": measured["latency"], f"batch_{BATCH}": batch["runtimes"], "start_up": measured["start_up"]}
    before: dict[str, Any] = {"commit": commit_before}
    for part, values in parts.items():
        earlier = [name for name in values if name.startswith(BEFORE)]
        before[part] = {name.removeprefix(BEFORE): values.pop(name) for name in earlier}
    return {**measured, "before": before}


def show(text: str) -> None:
    """A line of progress."""
    print(text, flush=True)


def main(argv: Sequence[str] | None = None) -> None:
    """Measures and writes the results."""
    arguments = arguments_of(argv)
    results: dict[str, Any] = {
        "machine": machine(),
        "versions": versions(),
        "commit": commit(),
        "threads": torch.get_num_threads(),
        "short": arguments.rounds < ROUNDS or arguments.images < IMAGES or arguments.memory_images < MEMORY_IMAGES,
        "image_side": 300,
        "channels": 3,
        "presets": {},
    }
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        files = write_jpegs(work / "jpeg", arguments.images)
        runs = {preset: fit_for_timing(preset, work / preset) for preset in arguments.presets}
        detectors = {name: detector for preset, run in runs.items() for name, detector in routes(preset, run).items()}
        # First: what cannot be exported, or fitted by the earlier version, shows before the long measurements.
        exports = write_exports(runs, exports_of(arguments.exports, runs), work / "exports")
        detectors |= {name: Detector(exported) for name, exported in exports.items()}
        for preset in arguments.presets if arguments.before is not None else ():
            model, commit_before = fit_before(preset, arguments.before, work)
            earlier = routes(preset, model, arguments.before)
            detectors |= {f"{BEFORE}{name}": detector for name, detector in earlier.items()}
        for preset, run in runs.items():
            results["presets"][preset] = measure_preset(preset, run, files, arguments)
        counts = {
            preset: entry["scoring"][str(BATCH)]["parts"][WHOLE]["multiply_adds"]
            for preset, entry in results["presets"].items()
        }
        measured = measure_routes(detectors, files[0], work, counts, arguments)
    results |= measured if arguments.before is None else with_before(measured, commit_before)
    results["targets"] = speed_targets(results)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def routes(preset: str, model: Path, source: Path | None = None) -> dict[str, Detector]:
    """The two ways to score a model: what `utad predict` takes by itself, and PyTorch."""
    return {
        f"{preset}-default": Detector(model, source=source),
        f"{preset}-eager-fp32": Detector(model, eager=True, source=source),
    }


if __name__ == "__main__":
    main()
