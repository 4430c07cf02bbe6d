"""Measures the memory that training takes, by the number of images.

    PYTHONPATH=benchmarks python benchmarks/experiments/training_memory.py

Each case runs in a process of its own, on fabricated images in colour, with few steps: memory does not depend on their
number. Takes about ten minutes on one core.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from measuring.timing import in_fresh_process
from utad.detector import UTAD
from utad.evaluation.provenance import commit, machine, versions
from utad.types import Sample

SIDE = 128
STEPS = ("ie_training.steps=2", "expert_training.steps=2", "feature_training.steps=2")
CASES: tuple[tuple[int, tuple[str, ...]], ...] = (
    (60, ()),
    (300, ()),
    (1500, ()),
    (1500, ("calibration.max_images=500",)),
)
"""Images, and settings beside the preset `fast`."""


def trained(count: int, settings: Sequence[str]) -> int:
    """Trains on so many images in one thread; how many it were."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    samples = []
    for index in range(count):
        levels = 120 + 400 * gaussian_filter(rng.normal(0, 1, (SIDE, SIDE, 3)), (3, 3, 0))
        samples.append(Sample(f"{index:04d}", levels.clip(0, 255).astype(np.uint8), anomalous=False))
    report = UTAD(preset="fast", overrides=(*STEPS, *settings)).fit(samples).report_
    assert report is not None
    return report.n_images


def main(argv: Sequence[str] | None = None) -> None:
    """Measures every case, and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/training_memory.json"))
    output = parser.parse_args(argv).output
    rows: list[dict[str, Any]] = []
    for count, settings in CASES:
        n_images, peak = in_fresh_process(trained, count, settings)
        rows.append({"n_images": n_images, "settings": list(settings), "peak_memory_mb": round(peak)})
        print(rows[-1], flush=True)
    document = {"machine": machine(), "versions": versions(), "commit": commit(), "size": SIDE, "rows": rows}
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
