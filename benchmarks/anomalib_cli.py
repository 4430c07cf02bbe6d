"""UTAD under anomalib's own command line: trained, tested, used and exported on the texture `brick`.

    python benchmarks/anomalib_cli.py [--preset fast] [--set KEY=VALUE ...] [--work runs/anomalib-cli]

Runs in an environment that has the extras `anomalib` and `onnx`. It writes the texture as MVTec AD has its images, runs
`anomalib train`, `anomalib predict` and, for each format, `anomalib export`, and scores all test images by each export
and by the detector of the checkpoint. Exits with 1 where a command fails, or an export calls an image otherwise.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch

from utad import UTAD
from utad.data.reading import load_image, load_mask
from utad.data.textures import open_texture
from utad.dependencies import require
from utad.evaluation.evaluate import evaluate_method
from utad.evaluation.provenance import commit, machine, versions
from utad.types import Category, Sample

CATEGORY = "brick"
MODEL = "utad.integrations.anomalib.Utad"
EXPORTS = {"torch": "model.pt", "onnx": "model.onnx", "openvino": "model.xml"}

Score = Callable[[np.ndarray[Any, Any]], float]
"""From an image `(1, 3, H, W)` float32 in [0, 1] to its score."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the commands, writes the JSON, and says whether all went well."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="setting of utad")
    parser.add_argument("--work", type=Path, default=Path("runs/anomalib-cli"))
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/anomalib_cli.json"))
    given = parser.parse_args(argv)
    given.work.mkdir(parents=True, exist_ok=True)
    texture = open_texture(CATEGORY, seed=0)
    tests = write_as_mvtec(texture, given.work / "data" / CATEGORY)
    model = ["--model", MODEL, "--model.preset", given.preset, "--model.overrides", json.dumps(given.set)]
    commands = Commands(given.work)
    printed = commands.run(
        "train",
        [*model, "--data", "MVTecAD", "--data.root", "data", "--data.category", CATEGORY, "--data.num_workers", "0"],
    )
    (checkpoint,) = given.work.glob("results/Utad/MVTecAD/*/latest/weights/lightning/model.ckpt")
    trained = ["--ckpt_path", str(checkpoint.relative_to(given.work))]
    commands.run("predict", [*model, "--data", f"data/{CATEGORY}/test", *trained])
    for kind in EXPORTS:
        commands.run("export", [*model, "--export_type", kind, *trained, "--export_root", "exports"], named=kind)
    detector = detector_of(checkpoint)
    exports = compare(detector, tests, given.work / "exports" / "weights")
    document = {
        "commands": commands.ran,
        "metrics_of_anomalib": metrics_in(printed),
        "metrics_of_utad": evaluate_method(detector, Category(CATEGORY, (), tests)).as_dict(),
        "pictures_of_predict": len(list(given.work.glob("results/Utad/latest/images/**/*.png"))),
        "exports": exports,
        "images": {"train": len(texture.train), "test": len(tests)},
        "versions": versions() | {"anomalib": require("anomalib").__version__},
        "machine": machine(),
        "commit": commit(),
    }
    given.output.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(exports, indent=1))
    failed = any(command["exit"] for command in commands.ran)
    return int(failed or any(export["other_labels"] for export in exports.values()))


class Commands:
    """Commands of anomalib, run one after the other in a folder, with their output beside it.

    Args:
        folder: of the results.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ran: list[dict[str, Any]] = []

    def run(self, command: str, arguments: Sequence[str], *, named: str = "") -> str:
        """Runs `anomalib COMMAND`, and returns what it printed.

        Args:
            command: of anomalib.
            arguments: of it.
            named: what tells it from others of the same command.
        """
        line = ["anomalib", command, *arguments, "--trainer.accelerator", "cpu"]
        start = time.perf_counter()
        ended = subprocess.run(
            [str(Path(sys.executable).with_name("anomalib")), *line[1:]],
            cwd=self.folder,
            capture_output=True,
            text=True,
        )
        printed = ended.stdout + ended.stderr
        (self.folder / f"{command}{named}.log").write_text(printed, encoding="utf-8")
        seconds = round(time.perf_counter() - start, 1)
        self.ran.append({"command": " ".join(line), "exit": ended.returncode, "seconds": seconds})
        print(f"{seconds:8.1f} s  exit {ended.returncode}  {' '.join(line)}", flush=True)
        return printed


def write_as_mvtec(category: Category, folder: Path) -> list[Sample]:
    """Writes a category in the layout of MVTec AD; returns its test images as files."""
    for index, sample in enumerate(category.train):
        _save(load_image(sample), folder / "train" / "good" / f"{index:03}.png")
    tests = []
    for index, sample in enumerate(category.test):
        kind, image = (sample.defect if sample.anomalous else "good"), load_image(sample)
        path = _save(image, folder / "test" / kind / f"{index:03}.png")
        mask = load_mask(sample, image.shape[:2]) if sample.anomalous else None
        if mask is not None:
            _save(mask.astype(np.uint8) * 255, folder / "ground_truth" / kind / f"{index:03}_mask.png")
        tests.append(Sample(path.name, path, sample.anomalous, kind, mask))
    return tests


def _save(pixels: np.ndarray[Any, Any], path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(pixels).save(path)
    return path


def detector_of(checkpoint: Path) -> UTAD:
    """The detector that anomalib's checkpoint holds."""
    module = require("utad.integrations.anomalib").Utad.load_from_checkpoint(checkpoint)
    detector: UTAD = module.detector
    return detector


def metrics_in(printed: str) -> dict[str, float]:
    """What anomalib's table of test metrics says."""
    found = re.findall(r"((?:image|pixel)_\w+)\W+?(\d\.\d+)", printed)
    return {name: float(value) for name, value in found}


def compare(detector: UTAD, tests: Sequence[Sample], folder: Path) -> dict[str, dict[str, Any]]:
    """Of each export: how far its scores lie from the detector's, and how many images it calls otherwise."""
    bounded = require("utad.integrations.anomalib").bounded
    own = torch.tensor([outcome.pred_score for outcome in detector.predict([sample.image for sample in tests])])
    expected, threshold = bounded(own).numpy(), float(bounded(torch.tensor(detector.threshold)))
    images = [load_image(sample).astype(np.float32).transpose(2, 0, 1)[None] / 255 for sample in tests]
    compared = {}
    for kind, score in exports_in(folder).items():
        scores = np.array([score(image) for image in images])
        compared[kind] = {
            "greatest_difference": float(np.abs(scores - expected).max()),
            "other_labels": int(((scores > threshold) != (expected > threshold)).sum()),
            "megabytes": round(sum(one.stat().st_size for one in (folder / kind).iterdir()) / 1e6, 1),
        }
    return compared


def exports_in(folder: Path) -> Mapping[str, Score]:
    """What scores with each export, by a plain runtime with its default options."""
    module = torch.load(folder / "torch" / EXPORTS["torch"], weights_only=False)["model"].eval()
    session = require("onnxruntime").InferenceSession(str(folder / "onnx" / EXPORTS["onnx"]))
    compiled = require("openvino").compile_model(str(folder / "openvino" / EXPORTS["openvino"]), "CPU")

    def by_torch(image: np.ndarray[Any, Any]) -> float:
        with torch.inference_mode():
            return float(module(torch.from_numpy(image)).pred_score)

    return {
        "torch": by_torch,
        "onnx": lambda image: float(session.run(["pred_score"], {session.get_inputs()[0].name: image})[0][0]),
        "openvino": lambda image: float(compiled(image)[compiled.output(0)][0]),
    }


if __name__ == "__main__":
    sys.exit(main())
