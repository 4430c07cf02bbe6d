"""Trains and evaluates the default preset on brick and elpv-mono with the commands a user types, and records it.

    python benchmarks/end_to_end.py --output benchmarks/results/end_to_end.json

Needs the extra `bench` for ELPV. Takes about ten minutes on two cores. `docs/render.py` puts the figures into README.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
from pathlib import Path
from typing import Any

from measuring.folders import run_utad
from measuring.restoration import restoration_quality
from utad.data.catalog import open_category
from utad.detector import UTAD
from utad.evaluation.provenance import commit, machine, versions

CATEGORIES = ("brick", "elpv-mono")


def measure(category: str, folder: Path) -> dict[str, Any]:
    """One category from images to metrics."""
    trained, train_seconds = run_utad("train", category, "--output", str(folder / "run"))
    evaluation, _ = run_utad("evaluate", str(folder / "run"), category, "--output", str(folder / "evaluation"))
    detector = UTAD.load(folder / "run")
    assert detector.network_ is not None
    return {
        "n_train": trained["n_images"],
        "train_seconds": round(train_seconds, 1),
        "stage_seconds": trained["stage_seconds"],
        "model_mb": round((folder / "run" / "model.safetensors").stat().st_size / 1e6, 1),
        "evaluation": evaluation,
        "restoration": restoration_quality(detector.network_, detector.config.image, open_category(category)),
    }


def main() -> None:
    """Measures every category and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/end_to_end.json"))
    arguments = parser.parse_args()
    results = {}
    for category in CATEGORIES:
        with tempfile.TemporaryDirectory() as folder:
            results[category] = measure(category, Path(folder))
        print(category, json.dumps(results[category]), flush=True)
    document = {
        "preset": "fast",
        "seed": 0,
        "machine": machine(),
        "versions": versions(),
        "commit": commit(),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024),
        "results": results,
    }
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
