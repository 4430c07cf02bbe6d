"""Installs the wheel without PyTorch, from the package index, and measures: size, seconds, scores, commands.

    python benchmarks/small_install.py --output benchmarks/results/small_install.json

Builds the wheel of this tree, installs it into fresh virtual environments, scores an export there, and compares the
scores with those of this environment. A short training with the preset `fast` makes the export, unless `--run` gives
one: nothing here depends on what is learnt. Needs the extra `dev`, a package index and 3 GB of disk, and a few minutes.
Exits with 1 where a score differs, a command does not end as expected, or an installation takes 600 MB or more.
`docs/render.py` puts the figures into docs/deploying.md.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from utad import UTAD, load_detector
from utad.data.catalog import open_category
from utad.data.reading import load_image
from utad.evaluation.provenance import commit, machine, versions
from utad.types import Sample

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("pyproject.toml", "README.md", "LICENSE", "NOTICE")
EXTRAS = ("", "serve", "onnx")
"""What is installed beside the package, each in an environment of its own."""

SHORT = (
    *("ie_training.steps=4", "expert_training.steps=4", "feature_training.steps=4", "feature_training.examples=16"),
    *("calibration.synthetic_anomalies=20", "calibration.max_images=40"),
)
IMAGES = 12
LIMIT_MB = 600
LARGEST = 6
"""Packages that are named."""

TOLERANCE = 1e-6
"""Relative: the same graph in the same runtime."""

SCORES = """
import json, re, sys
from pathlib import Path
from utad import load_detector
detector = load_detector(sys.argv[1], threads=1)
scores = {path.name: detector.predict(path).pred_score for path in sorted(Path(sys.argv[2]).iterdir())}
# Not ru_maxrss, which a process takes over from the one that started it.
(peak,) = re.findall(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())
print(json.dumps([scores, int(peak)]))
"""


def build_wheel(place: Path) -> Path:
    """The wheel of this tree, made in a copy of it, where no earlier build lies."""
    tree = place / "tree"
    shutil.copytree(ROOT / "src", tree / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in PARTS:
        shutil.copy(ROOT / name, tree)
    subprocess.run([*_pip(sys.executable), "wheel", "--no-deps", "--wheel-dir", place, tree], check=True)
    (wheel,) = place.glob("utad-*.whl")
    return wheel


def install(wheel: Path, extra: str, folder: Path) -> dict[str, Any]:
    """A fresh virtual environment with the wheel, and what it takes.

    Args:
        wheel: to install.
        extra: of it; nothing for none.
        folder: of the environment.

    Returns:
        MB of everything and of the largest packages, number of packages, and seconds.
    """
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = str(folder / "bin" / "python")
    subprocess.run([*_pip(python), "install", f"{wheel}[{extra}]" if extra else str(wheel)], check=True)
    seconds = time.perf_counter() - started
    (site,) = folder.glob("lib/*/site-packages")
    names = {path.name.partition("-")[0] for path in site.glob("*.dist-info")}
    sizes = {path.name: _megabytes(path) for path in site.iterdir()}
    return {
        "megabytes": _megabytes(folder),
        "packages": len(names),
        "torch": "torch" in names,
        "largest": dict(sorted(sizes.items(), key=lambda item: -item[1])[:LARGEST]),
        "seconds": round(seconds, 1),
    }


def run_commands(folder: Path, export: Path, images: Path, place: Path) -> dict[str, dict[str, Any]]:
    """The commands of an installation without extras: exit codes and seconds.

    Args:
        folder: of the environment.
        export: an exported folder.
        images: a folder of them.
        place: to write to.
    """
    commands: Mapping[str, tuple[Sequence[str | Path], int]] = {
        "utad --help": (["--help"], 0),
        "utad doctor": (["doctor"], 0),
        "utad predict": (["predict", export, images, "--output", place / "predicted", "--save", "maps,overlays"], 0),
        "utad watch --once": (["watch", export, images, "--output", place / "watched", "--once"], 0),
        "utad train": (["train", images, "--output", place / "trained"], 1),
        "utad explain": (["explain", export, images, "--output", place / "figures"], 1),
        "utad explain --save page": (["explain", export, images, "--output", place / "explained", "--save", "page"], 0),
        "utad evaluate": (["evaluate", export, images, "--output", place / "evaluated"], 1),
        "utad serve": (["serve", export], 1),
    }
    found = {}
    for name, (arguments, expected) in commands.items():
        started = time.perf_counter()
        command: list[str | Path] = [folder / "bin" / "utad", *arguments]
        done = subprocess.run(command, capture_output=True, text=True)
        found[name] = {
            "exit_code": done.returncode,
            "as_expected": done.returncode == expected and "Traceback" not in done.stderr,
            "error": done.stderr.strip().splitlines()[-1] if expected else None,
            "seconds": round(time.perf_counter() - started, 2),
        }
    return found


def scores_in(folder: Path, export: Path, images: Path) -> tuple[dict[str, float], float]:
    """The scores of images by an environment, one after the other, and the peak memory of the process in MB."""
    command: list[str | Path] = [folder / "bin" / "python", "-c", SCORES, export, images]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    scores, kilobytes = json.loads(done.stdout)
    return scores, kilobytes / 1024


def measure(place: Path, run: Path | None) -> dict[str, Any]:
    """Everything, in an empty folder.

    Args:
        place: to work in.
        run: of a training, with its graph; None for a short training.
    """
    category = open_category("brick")
    if run is None:
        run = place / "run"
        UTAD(overrides=SHORT).fit(category, output=run)
    export, images = run / "openvino", place / "images"
    images.mkdir()
    for number, sample in enumerate(category.test[:IMAGES]):
        _save(sample, images / f"{number:02d}.png")
    detector = load_detector(export, threads=1)
    expected = {path.name: detector.predict(path).pred_score for path in sorted(images.iterdir())}
    built_from, wheel = commit(), build_wheel(place)
    installed = {extra or "none": install(wheel, extra, place / f"env-{extra}") for extra in EXTRAS}
    found, peak = scores_in(place / "env-", export, images)
    differences = [abs(found[name] - score) / max(abs(score), 1.0) for name, score in expected.items()]
    return {
        "wheel_kb": round(wheel.stat().st_size / 1e3),
        "installed": installed,
        "whole_megabytes": _megabytes(Path(sys.prefix)),
        "images": len(expected),
        "largest_difference": max(differences),
        "peak_memory_mb": round(peak),
        "commands": run_commands(place / "env-", export, images, place),
        "limit_megabytes": LIMIT_MB,
        "machine": machine(),
        "versions": versions(),
        "commit": built_from,
    }


def is_good(document: dict[str, Any]) -> bool:
    """Whether everything is as it has to be."""
    installed = document["installed"]
    return (
        document["largest_difference"] <= TOLERANCE
        and all(command["as_expected"] for command in document["commands"].values())
        and not any(entry["torch"] for entry in installed.values())
        and all(installed[name]["megabytes"] < LIMIT_MB for name in ("none", "serve"))
    )


def _pip(python: str) -> list[str]:
    return [python, "-m", "pip", "--quiet", "--disable-pip-version-check"]


def _megabytes(path: Path) -> int:
    done = subprocess.run(["du", "-sm", path], check=True, capture_output=True, text=True)
    return int(done.stdout.split()[0])


def _save(sample: Sample, path: Path) -> None:
    Image.fromarray(load_image(sample)).save(path)


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="of a training, with its graph; a short one is made if not given")
    parser.add_argument("--output", type=Path, help="JSON file; printed if not given")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        document = measure(Path(place), arguments.run)
    text = json.dumps(document, indent=1) + "\n"
    if arguments.output is not None:
        arguments.output.write_text(text, encoding="utf-8")
    else:
        print(text)
    return 0 if is_good(document) else 1


if __name__ == "__main__":
    sys.exit(main())
