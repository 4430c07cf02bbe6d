"""Times every part of scoring and training and records how far each is from what its arithmetic must take.

    python benchmarks/speed.py [PRESET ...] [--training] [--exports NAME ...] --output benchmarks/results/speed.json

Takes some ten minutes a preset on two cores, with `--training` ten more. `docs/render.py` puts the figures into
docs/performance.md. The detector is trained hardly at all, which changes none of its times, and calibrated on enough
images for its statistics to have their true size. Nothing else should run on the machine meanwhile.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch

from measuring.exports import add_exports_argument, exports_of, write_exports
from measuring.folders import folder_rate, memory_growth, start_up, training
from measuring.parts import WHOLE, count_scoring, count_training, time_scoring, time_training
from measuring.subjects import camera_images, fit_for_timing, link_files, write_jpegs
from measuring.targets import BATCH, preset_of, speed_targets
from measuring.timing import in_fresh_process, multiply_add_rate, summary, with_floor
from measuring.utad_worker import PRODUCT, SCORE, SCORE_ALL
from measuring.workers import Method, start_utad, take_turns
from utad.config.loading import PRESETS
from utad.evaluation.provenance import commit, machine, versions

SMALL_FOLDER = 100
_AT_BATCH = f", batch {BATCH}"
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
    add_exports_argument(parser)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/speed.json"))
    arguments = parser.parse_args(argv)
    arguments.presets = arguments.presets or ["fast", "balanced"]
    unknown = sorted(set(arguments.presets).difference(PRESETS))
    if unknown:
        parser.error(f"unknown preset {', '.join(unknown)}: choose from {', '.join(PRESETS)}")
    if min(arguments.rounds, arguments.repetitions) < 1 or arguments.images < BATCH or arguments.memory_images < 0:
        parser.error(f"--rounds and --repetitions must be at least 1, --images at least {BATCH}, --memory-images 0")
    return arguments


def measure_preset(preset: str, model: Path, files: list[Path], arguments: argparse.Namespace) -> dict[str, Any]:
    """Everything about one preset; the memory of each mode is that of a process of its own."""
    fewer = max(3, arguments.rounds // 3)
    scoring = {}
    for batch, rounds in ((1, arguments.rounds), (BATCH, fewer)):
        names = [str(file) for file in files[:batch]]
        counts, _ = in_fresh_process(count_scoring, str(model), names)
        timed, peak = in_fresh_process(time_scoring, str(model), names, rounds, counts)
        scoring[str(batch)] = {**timed, "peak_memory_mb": peak}
        show(f"{preset}, scoring, batch {batch}: {timed['parts']['whole']['median_ms']} ms an image")
    counts, _ = in_fresh_process(count_training, preset)
    steps, peak = in_fresh_process(time_training, preset, fewer, counts)
    entry = {"scoring": scoring, "training": {**steps, "peak_memory_mb": peak}}
    folder = files[0].parent
    entry["folder"] = folder_rate(model, folder, len(files), arguments.repetitions)
    show(f"{preset}, folder: {entry['folder']['images_per_second']} images a second")
    if preset != arguments.presets[0]:
        return entry
    if arguments.memory_images:
        counts = (SMALL_FOLDER, arguments.memory_images)
        small, large = (link_files(files, folder.parent / f"{preset}-{count}", count) for count in counts)
        entry["memory_growth"] = memory_growth(model, small, large, counts)
        show(f"{preset}, memory: {entry['memory_growth']['peak_memory_mb']} MB")
    if arguments.training:
        entry["training_run"] = training(preset)
        show(f"{preset}, training: {entry['training_run']['seconds']} s")
    return entry


def measure_exports(
    models: dict[str, Path],
    exports: dict[str, Path],
    file: Path,
    work: Path,
    counts: dict[str, int],
    arguments: argparse.Namespace,
) -> dict[str, Any]:
    """Eager and exported detectors in turns: one image, a batch with its distance to the floor, and start-up.

    Args:
        models: model file of each preset.
        exports: exported folders by name.
        file: the image of the start-up.
        work: a folder for the images that are scored.
        counts: multiply-adds an image of each preset.
        arguments: the command line's.
    """
    images = work / "images.npy"
    np.save(images, np.stack(list(camera_images(BATCH))))
    given = {f"{preset}-eager-fp32": (model, False) for preset, model in models.items()}
    given |= {name: (folder, True) for name, folder in exports.items()}
    with ExitStack() as stack:
        workers, failures = start_utad(given, images, stack)
        single = [Method(name, worker, SCORE) for name, worker in workers.items()]
        batch = [Method(f"{name}{_AT_BATCH}", worker, SCORE_ALL) for name, worker in workers.items()]
        product = [Method(PRODUCT, worker, PRODUCT) for worker in workers.values() if PRODUCT in worker.actions][:1]
        seconds, failed = take_turns([*single, *product, *batch], max(3, arguments.rounds // 3))
    names = [name for name in workers if name in seconds]
    batched = {name: seconds[f"{name}{_AT_BATCH}"] for name in names if f"{name}{_AT_BATCH}" in seconds}
    # Without the product there is no floor to compare with.
    rate = multiply_add_rate(seconds[PRODUCT]) if PRODUCT in seconds else None
    return {
        "latency": {
            name: {**summary(seconds[name]), "torch_imported": workers[name].facts["torch_imported"]} for name in names
        },
        f"batch_{BATCH}": {
            "multiply_adds_per_second": round(rate) if rate else None,
            "runtimes": {
                name: with_floor(summary(values, images=BATCH), counts[preset_of(name)], rate)
                for name, values in (batched if rate else {}).items()
            },
        },
        "start_up": start_up({name: given[name][0] for name in names}, file, arguments.repetitions),
        "failures": {**failures, **failed},
    }


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
        models = {preset: fit_for_timing(preset, work / f"{preset}.safetensors") for preset in arguments.presets}
        # First: what cannot be exported is better known before the long measurements.
        exports = write_exports(models, exports_of(arguments.exports, models), work / "exports")
        for preset, model in models.items():
            results["presets"][preset] = measure_preset(preset, model, files, arguments)
        counts = {
            preset: entry["scoring"][str(BATCH)]["parts"][WHOLE]["multiply_adds"]
            for preset, entry in results["presets"].items()
        }
        results |= measure_exports(models, exports, files[0], work, counts, arguments)
    results["targets"] = speed_targets(results)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
