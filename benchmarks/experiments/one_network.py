"""What the change to one plain network (docs/adr/0009) did to detection: the quality suites before and after it.

    git worktree add ../before 8b385f9
    export PYTHONPATH=../before/src:benchmarks
    python benchmarks/experiments/one_network.py train runs/before        # hours on two cores
    export PYTHONPATH=benchmarks
    python benchmarks/experiments/one_network.py compare runs/before --output benchmarks/results/one_network.json
    python benchmarks/experiments/one_network.py train runs/after         # trains anew, as long

`train` fits and evaluates UTAD (`fast`, seed 0) with the code that PYTHONPATH names, and keeps every run. `compare`
takes the trained networks of another tree's runs, reads them with the present code, calibrates them anew and evaluates
them through the default route, so that nothing but scoring and calibration differs; and once more as they are stored.
The folder of real images (bottle, tile, commutator in the layout of MVTec AD) is given by --real.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from utad import UTAD
from utad.evaluation.evaluate import evaluate_method
from utad.evaluation.provenance import commit, machine, versions
from utad.evaluation.suites import suite_named
from utad.types import Category

SUITES = ("textures", "elpv", "mnist-5k")


def categories(real: Path | None) -> Iterator[tuple[str, Category, list[str]]]:
    """Name, images and settings of every category; seed 0."""
    for name in (*SUITES, *(("folder",) if real is not None else ())):
        suite = suite_named(name)
        root = real if name == "folder" else None
        for dataset, category in suite.categories(root):
            images = suite.open(dataset, category, root=root, seed=0)
            shown = "real" if name == "folder" else name
            yield f"{shown}-{category}", images, [f"image.size={suite.size}"] if suite.size else []


def train(output: Path, real: Path | None) -> None:
    """Fits and evaluates every category that has no result in `output` yet."""
    for name, images, settings in categories(real):
        target = output / f"{name}.json"
        if target.exists():
            continue
        detector = UTAD("fast", overrides=settings, seed=0)
        start = time.perf_counter()
        detector.fit(images, output=output / "runs" / name, resume=True)
        seconds = time.perf_counter() - start
        result = {"fit_seconds": seconds, **evaluate_method(detector, images).as_dict()}
        target.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        print(time.strftime("%H:%M:%S"), name, round(seconds), result["image"], flush=True)


def compare(before: Path, output: Path, real: Path | None, only: str | None) -> None:
    """Evaluates the trained networks in `before` with the present code and writes the table."""
    for name, images, _ in categories(real):
        run, measured = before / "runs" / name, before / f"{name}.json"
        chosen = only is None or name in only.split(",")
        if not chosen or name in _stored(output)["categories"] or not measured.exists():
            continue
        found = {"before": json.loads(measured.read_text(encoding="utf-8")), **_with_present_code(run, images)}
        document = _stored(output)  # read again: another process may have written to it
        document["categories"][name] = found
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        print(time.strftime("%H:%M:%S"), _row(name, document["categories"][name]), flush=True)
    print(_table(_stored(output)))


def _with_present_code(run: Path, images: Category) -> dict[str, Any]:
    """The stored detector as it is, and calibrated anew and scored through the graph."""
    from utad.data.loading import load_images
    from utad.data.subsets import held_out_block
    from utad.loading import load_detector
    from utad.scoring.calibration import calibrate

    detector = UTAD.load(run)
    stored = evaluate_method(detector, images).as_dict()
    settings = detector.config.image
    loaded = load_images(images.train, size=settings.size, channels=None, max_pixels=settings.max_pixels)
    trained_on = ~held_out_block(len(loaded.images), detector.config.calibration.held_out)
    network = detector.network_
    assert network is not None
    start = time.perf_counter()
    calibrate(network, loaded.images, trained_on, detector.config)
    seconds = time.perf_counter() - start
    detector.threshold = 0.5
    own = run.parent.parent / "present" / run.name
    own.mkdir(parents=True, exist_ok=True)
    (own / "config.yaml").write_text(detector.config.to_yaml(), encoding="utf-8")
    detector.save(own)
    after = evaluate_method(load_detector(own, runtime="openvino"), images).as_dict()
    return {"stored": stored, "after": after, "calibration_seconds": seconds}


def _stored(output: Path) -> dict[str, Any]:
    if output.exists():
        found: dict[str, Any] = json.loads(output.read_text(encoding="utf-8"))
        return found
    about = {"machine": machine(), "versions": versions(), "commit": commit(), "threads": torch.get_num_threads()}
    return {**about, "preset": "fast", "seed": 0, "categories": {}}


def _row(name: str, found: dict[str, Any]) -> str:
    sides = [found[side] for side in ("before", "stored", "after")]
    cells = [f"{side['image']['auroc']:.4f}" for side in sides]
    for key in ("auroc", "aupro"):
        cells += [f"{side['pixel'][key]:.4f}" if "pixel" in side else "" for side in (sides[0], sides[2])]
    cells += [f"{100 * side['recall']:.1f} %" for side in (sides[0], sides[2])]
    cells += [f"{100 * side['false_positive_rate']:.1f} %" for side in (sides[0], sides[2])]
    return f"| {name} | {' | '.join(cells)} |"


def _table(document: dict[str, Any]) -> str:
    heads = ["image AUROC before", "stored model", "after", "pixel AUROC before", "after", "AUPRO before", "after"]
    heads += ["recall before", "after", "false alarms before", "after"]
    lines = [f"| category | {' | '.join(heads)} |", f"| --- |{' ---: |' * len(heads)}"]
    return "\n".join([*lines, *(_row(name, found) for name, found in document["categories"].items())])


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("train", "compare"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--real", type=Path, help="folder of real categories")
    parser.add_argument("--only", help="comma-separated names of categories")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/one_network.json"))
    arguments = parser.parse_args()
    if arguments.step == "train":
        train(arguments.folder, arguments.real)
    else:
        compare(arguments.folder, arguments.output, arguments.real, arguments.only)


if __name__ == "__main__":
    main()
