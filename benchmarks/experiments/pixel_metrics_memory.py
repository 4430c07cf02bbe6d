"""Measures the memory of pixel metrics, and how far they are from the exact values of scikit-learn.

    PYTHONPATH=benchmarks python benchmarks/experiments/pixel_metrics_memory.py

Each case runs in a process of its own, on synthetic maps that are made one at a time. scikit-learn needs all pixels at
once, which 1,000 images of 4 megapixels are too many for: there, as in the smaller case too, stands how far the metrics
can be off at most. Takes about ten minutes on one core and 8 GB of memory, for scikit-learn's part.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from measuring.timing import in_fresh_process, peak_memory_mb
from utad.evaluation.aupro import region_weights
from utad.evaluation.metrics import PixelAccumulator, as_plain
from utad.evaluation.provenance import commit, machine, versions
from utad.types import FloatMap, Mask

SEED = 0
CASES = ((83, 900), (1000, 2000))
"""Images, and their height and width; scikit-learn computes the first."""
MAX_FPR = 0.3


def images(count: int, side: int) -> Iterator[tuple[FloatMap, Mask]]:
    """Normal noise, and in every second image three square defects, 1.5 standard deviations above it."""
    rng = np.random.default_rng(SEED)
    for index in range(count):
        gt_mask = np.zeros((side, side), dtype=np.bool_)
        for size in (side // 100, side // 30, side // 10) if index % 2 else ():
            top, left = rng.integers(0, side - size, 2)
            gt_mask[top : top + size, left : left + size] = True
        anomaly_map = rng.standard_normal((side, side), dtype=np.float32)
        anomaly_map[gt_mask] += 1.5
        yield anomaly_map, gt_mask


def streamed(count: int, side: int) -> dict[str, Any]:
    """The package's metrics, the memory and the seconds they take, and the largest deviations that bins allow.

    Memory is that of the whole process, libraries included; the seconds are without making the maps.
    """
    start_memory = peak_memory_mb()
    accumulator = PixelAccumulator()
    seconds = 0.0
    for anomaly_map, gt_mask in images(count, side):
        start = time.perf_counter()
        accumulator.update(anomaly_map, gt_mask, anomaly_map > 2)
        seconds += time.perf_counter() - start
    start = time.perf_counter()
    metrics = as_plain(accumulator.compute())
    seconds += time.perf_counter() - start
    memory = {"start_memory_mb": round(start_memory, 1), "peak_memory_mb": round(peak_memory_mb(), 1)}
    curves = accumulator.curves()
    return {"metrics": metrics, **memory, "seconds": round(seconds, 1), "bins": len(curves[0]), "bound": bounds(curves)}


def exact(count: int, side: int) -> dict[str, float]:
    """The same metrics of scikit-learn, from all pixels at once."""
    scores = np.empty((count, side, side), dtype=np.float32)
    labels = np.empty((count, side, side), dtype=np.bool_)
    for index, (anomaly_map, gt_mask) in enumerate(images(count, side)):
        scores[index], labels[index] = anomaly_map, gt_mask
    weights = np.ones(labels.shape)
    for gt_mask, weight in zip(labels, weights, strict=True):
        if gt_mask.any():
            weight[gt_mask] = region_weights(gt_mask)
    y_true, y_score = labels.ravel(), scores.ravel()
    precision, recall, _ = precision_recall_curve(y_true, y_score)
    f1_max = float((2 * precision * recall / np.maximum(precision + recall, 1e-9)).max())
    x, y, _ = roc_curve(y_true, y_score, sample_weight=weights.ravel(), drop_intermediate=False)
    end, at_end = np.searchsorted(x, MAX_FPR, side="right"), np.interp(MAX_FPR, x, y)
    return {
        "auroc": float(roc_auc_score(y_true, y_score)),
        "aupr": float(average_precision_score(y_true, y_score)),
        "aupro": float(auc(np.append(x[:end], MAX_FPR), np.append(y[:end], at_end)) / MAX_FPR),
        "f1_max": f1_max,
        "iou_oracle": f1_max / (2 - f1_max),
    }


def bounds(curves: NDArray[np.float64]) -> dict[str, float]:
    """How far the metrics can be from those of the values themselves, whatever the order of values within each bin.

    At the borders of bins the curves are exact; between them the true ones rise somewhere in the rectangle whose
    diagonal ours is.

    Args:
        curves: `(3, T)`, as of `PixelAccumulator.curves`.
    """
    normal, anomalous, overlap = np.diff(curves) / curves[:, -1:]
    false, found, _ = curves
    positives = found[-1]
    lowest = (found[:-1] + 1) / (found[:-1] + 1 + false[1:])  # at the first anomalous pixel of the bin
    highest = found[1:] / (found[1:] + false[:-1])
    f1 = 2 * found / (found + false + positives)
    iou = found / (false + positives)
    return {
        "auroc": float((normal * anomalous).sum() / 2),
        "aupr": float((anomalous * (highest - lowest)).sum()),
        "aupro": float((normal * overlap).sum() / 2 / MAX_FPR),
        "f1_max": float((2 * found[1:] / (found[1:] + false[:-1] + positives)).max() - f1.max()),
        "iou_oracle": float((found[1:] / (false[:-1] + positives)).max() - iou.max()),
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Measures, prints a table and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/pixel_metrics_memory.json"))
    arguments = parser.parse_args(argv)
    results: dict[str, Any] = {"seed": SEED, "machine": machine(), "versions": versions(), "commit": commit()}
    results["cases"] = []
    print("| maps | their size, GB | peak memory, GB | with scikit-learn, GB | deviation | at most | seconds |")
    print("|---|---|---|---|---|---|---|")
    for count, side in CASES:
        entry, _ = in_fresh_process(streamed, count, side)
        cells = ["–", "–"]
        if (count, side) == CASES[0]:
            expected, peak = in_fresh_process(exact, count, side)
            deviation = {name: abs(entry["metrics"][name] - value) for name, value in expected.items()}
            entry |= {"scikit_learn": expected, "scikit_learn_peak_memory_mb": peak, "deviation": deviation}
            cells = [f"{peak / 1024:.2f}", f"{max(deviation.values()):.1e}"]
        results["cases"].append({"images": count, "side": side, **entry})
        sizes = [f"{4 * count * side**2 / 2**30:.2f}", f"{entry['peak_memory_mb'] / 1024:.2f}"]
        cells = [f"{count:,} of {side} x {side}", *sizes, *cells, f"{max(entry['bound'].values()):.1e}"]
        print(f"| {' | '.join(cells)} | {entry['seconds']} |", flush=True)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
