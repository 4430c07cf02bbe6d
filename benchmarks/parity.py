"""Compares every export with the detector it was made of, on whole test sets.

    python benchmarks/parity.py [CATEGORY ...] --output benchmarks/results/parity.json

Trains the preset on each category, exports it in every format and precision, and scores all test images with each.
Takes about four minutes per category on two cores. Needs the extras `onnx` and `openvino`, and `bench` for ELPV.
`docs/render.py` puts the figures into docs/performance.md.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from measuring.targets import parity_targets
from utad import UTAD
from utad.data.catalog import open_category
from utad.errors import ImageReadError
from utad.evaluation.evaluate import labelled
from utad.evaluation.metrics import image_metrics
from utad.evaluation.provenance import commit, machine, versions
from utad.export.exported import ExportedDetector
from utad.export.manifest import Format, Precision
from utad.export.parity import compare
from utad.export.writing import PRECISIONS, export_detector
from utad.types import Category, Prediction, Sample

CATEGORIES = ("brick", "grass", "gravel", "elpv-mono", "elpv-poly")
FORMATS = tuple((graph_format, precision) for graph_format, known in PRECISIONS.items() for precision in known)
RUNTIMES = ("onnxruntime", "openvino", "nncf")

Scored = list[tuple[Sample, Prediction | ImageReadError]]


def measure(category: Category, preset: str, overrides: Sequence[str], folder: Path) -> dict[str, Any]:
    """The detector of one category, and each export beside it.

    Args:
        category: trained on, and all its labelled test images scored.
        preset: of the detector.
        overrides: `section.key=value`.
        folder: to export to.
    """
    detector = UTAD(preset, overrides=overrides).fit(category)
    samples = labelled(category)
    reference = list(detector.predict_samples(samples))
    return {
        "n_images": len(samples),
        "n_anomalous": sum(bool(sample.anomalous) for sample in samples),
        "image_auroc": auroc(reference),
        "exports": {
            f"{graph_format}-{precision}": measure_export(
                detector, category, reference, folder / f"{graph_format}-{precision}", graph_format, precision
            )
            for graph_format, precision in FORMATS
        },
    }


def measure_export(
    detector: UTAD, category: Category, reference: Scored, folder: Path, graph_format: Format, precision: Precision
) -> dict[str, Any]:
    """One export: its differences from what the detector said, and how well it tells the images apart."""
    normal = category.train if precision == "int8" else ()
    export_detector(detector, folder, graph_format=graph_format, precision=precision, normal=normal)
    samples = [sample for sample, _ in reference]
    scored = list(ExportedDetector.load(folder).predict_samples(samples))
    parity = compare(lambda _: reference, lambda _: scored, samples, images=f"{len(samples)} test images")
    return {**parity.as_dict(), "image_auroc": auroc(scored)}


def auroc(scored: Scored) -> float:
    """Area under the ROC curve of the raw scores."""
    scores, labels = [], []
    for sample, prediction in scored:
        if isinstance(prediction, ImageReadError):
            raise prediction
        scores.append(prediction.raw_score)
        labels.append(bool(sample.anomalous))
    metrics = image_metrics(np.array(scores), np.array(labels))
    if metrics is None:
        raise SystemExit("the test images are all normal or all anomalous: there is no AUROC")
    return round(metrics.auroc, 4)


def main(argv: Sequence[str] | None = None) -> None:
    """Measures every category and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("categories", nargs="*", metavar="CATEGORY", help=f"{', '.join(CATEGORIES)} if none is given")
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="SECTION.KEY=VALUE", dest="overrides")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/parity.json"))
    arguments = parser.parse_args(argv)
    document: dict[str, Any] = {
        "preset": arguments.preset,
        "overrides": arguments.overrides,
        "machine": machine(),
        "versions": versions() | {package: version(package) for package in RUNTIMES},
        "commit": commit(),
        "threads": torch.get_num_threads(),
        "short": bool(arguments.overrides) or set(arguments.categories or CATEGORIES) != set(CATEGORIES),
        "categories": {},
    }
    for name in arguments.categories or CATEGORIES:
        with tempfile.TemporaryDirectory() as folder:
            measured = measure(open_category(name), arguments.preset, arguments.overrides, Path(folder))
        document["categories"][name] = measured
        print(name, json.dumps(measured), flush=True)
    document["targets"] = parity_targets(document)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
