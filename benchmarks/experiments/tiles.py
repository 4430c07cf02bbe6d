"""Tiles of large images: what they are worth beside whole images, and small defects in images of a camera.

    PYTHONPATH=benchmarks python benchmarks/experiments/tiles.py SUITE/CATEGORY ... \
        [--real-root DIR] [--tile SIDE] [--methods utad,padim,patchcore] [--set KEY=VALUE ...] [--tiles-alone]
    PYTHONPATH=benchmarks python benchmarks/experiments/tiles.py fabricated/HEIGHTxWIDTH \
        [--train N] [--test N] [--defect PIXELS] [--work DIR] [--set KEY=VALUE ...]

The first trains every method on whole images and on tiles, or on these alone, and measures image AUROC, AUPRO, recall
and false alarms. The second fabricates textures of that size with one defect of a few pixels in every second test
image, trains with `image.tile=auto`, and scores with the exported graph: recall and false alarms at the default
threshold, recall at exactly 1 % of the normal test images, seconds an image, and the peak memory of training and of
scoring. Each line runs in a process of its own. The commutators take 40 minutes on one core, 3000 x 4000 pixels an hour
and 1 GB of disk.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from scipy.ndimage import gaussian_filter

from measuring.camera import image, with_defect
from measuring.experiments import add_run, experiment_parser, opened
from measuring.timing import in_fresh_process
from utad.config import load_config
from utad.detector import UTAD
from utad.evaluation.evaluate import evaluate_method
from utad.evaluation.methods import build_method, predictor_of
from utad.loading import load_detector
from utad.types import Category, Sample

_ROUNDED = 4


def compared(given: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Every method on whole images and on tiles, or on these alone."""
    found = {}
    ways: list[tuple[str, ...]] = [(f"image.tile={arguments.tile}",)]
    if not arguments.tiles_alone:
        ways.insert(0, ())
    for method in arguments.methods.split(","):
        for tile in ways:
            name = f"{method}, tiles of {arguments.tile}" if tile else method
            result, peak = in_fresh_process(measured, given, arguments, method, tile)
            found[name] = {**result, "peak_memory_mb": round(peak)}
            print(name, found[name], flush=True)
    return found


def measured(given: str, arguments: argparse.Namespace, name: str, tile: tuple[str, ...]) -> dict[str, float]:
    """One method, fitted and evaluated."""
    category, _ = opened(given, arguments)
    settings = (*(arguments.settings if name == "utad" else ()), *tile)
    method = build_method(name, seed=arguments.seed, size=None, preset="fast", overrides=settings)
    start = time.perf_counter()
    method.fit(category)
    seconds = time.perf_counter() - start
    evaluation = evaluate_method(predictor_of(method), category)
    assert evaluation.image is not None
    values = {
        "image_auroc": evaluation.image.auroc,
        "aupro": evaluation.pixel.aupro if evaluation.pixel is not None else float("nan"),
        "false_alarms": evaluation.false_positive_rate or 0.0,
        "recall": evaluation.recall or 0.0,
        "recall_at_1_percent": evaluation.recall_oracle or 0.0,
        "fit_s": seconds,
        "ms_per_image": evaluation.ms_per_image,
    }
    return {key: round(float(value), _ROUNDED) for key, value in values.items()}


def camera(size: tuple[int, int], arguments: argparse.Namespace) -> dict[str, Any]:
    """Training and scoring of fabricated images of `(H, W)`."""
    with tempfile.TemporaryDirectory(dir=arguments.work) as work:
        fitted, training_peak = in_fresh_process(trained, size, arguments, Path(work))
        scored, _ = in_fresh_process(scores, size, arguments, Path(work))
        _, scoring_peak = in_fresh_process(read_and_scored, Path(work))
    peaks = {"training_peak_mb": round(training_peak), "scoring_peak_mb": round(scoring_peak)}
    return {"train": arguments.train, "test": arguments.test, "defect": arguments.defect, **fitted, **scored, **peaks}


def trained(size: tuple[int, int], arguments: argparse.Namespace, work: Path) -> dict[str, Any]:
    """Fabricates training images, and trains on them."""
    folder = work / "good"
    folder.mkdir()
    for seed in range(arguments.train):
        PIL.Image.fromarray(image(*size, seed)).save(folder / f"{seed:03d}.png", compress_level=1)
    settings = ["image.tile=auto", f"image.smallest_defect={arguments.defect}", *arguments.settings]
    detector = UTAD(config=load_config("fast", overrides=settings, seed=arguments.seed))
    samples = [Sample(path.name, path, anomalous=False) for path in sorted(folder.iterdir())]
    report = detector.fit(Category("fabricated", samples), output=work / "run").report_
    assert report is not None
    assert detector.tiling is not None
    tiles = len(detector.tiling.grid(size))
    return {
        "side": detector.tiling.side,
        "tiles": tiles,
        "tiles_learnt_from": report.n_tiles,
        "fit_s": round(report.seconds, 1),
    }


def scores(size: tuple[int, int], arguments: argparse.Namespace, work: Path) -> dict[str, Any]:
    """Scores of test images, half of which have a defect, by the exported graph."""
    detector = load_detector(work / "run")
    labels, found, called, seconds, inside = [], [], [], [], []
    detector.predict(Sample("first", image(*size, seed=10_000)))  # what is compiled once is not an image's
    for sample in tested(size, arguments):
        start = time.perf_counter()
        prediction = detector.predict(sample)
        seconds.append(time.perf_counter() - start)
        labels.append(bool(sample.anomalous))
        found.append(prediction.pred_score)
        called.append(prediction.pred_label)
        if sample.anomalous:
            peak = np.unravel_index(prediction.anomaly_map.argmax(), size)
            inside.append(bool(np.asarray(sample.mask)[peak]))
    truth, score, label = np.array(labels), np.array(found), np.array(called)
    limit = np.quantile(score[~truth], 0.99, method="higher")
    values = {
        "recall": label[truth].mean(),
        "false_alarms": label[~truth].mean(),
        "recall_at_1_percent": (score[truth] > limit).mean(),
        "peak_inside": np.mean(inside),
        "seconds_per_image": np.median(seconds),
    }
    return {key: round(float(value), _ROUNDED) for key, value in values.items()}


def read_and_scored(work: Path) -> int:
    """Scores a few of the files, without what fabricating images takes; how many."""
    detector = load_detector(work / "run")
    samples = [Sample(path.name, path) for path in sorted((work / "good").iterdir())[:6]]
    return sum(1 for _ in detector.predict_samples(samples))


def tested(size: tuple[int, int], arguments: argparse.Namespace) -> Iterator[Sample]:
    """Test images in turn, each fabricated when it is needed; every second one has a defect and its mask."""
    for index in range(arguments.test):
        seed, anomalous = 20_000 + index, bool(index % 2)
        pixels = image(*size, seed, arguments.defect if anomalous else 0)
        mask = None
        if anomalous:
            surface = np.zeros(size, np.float32)
            # What surrounds a defect belongs to it where its features are seen.
            mask = gaussian_filter(np.abs(with_defect(surface, arguments.defect, seed)), arguments.defect / 2) > 1.0
        yield Sample(f"{index}", np.repeat(pixels[..., None], 3, axis=2), anomalous=anomalous, mask=mask)


def main(argv: Sequence[str] | None = None) -> None:
    """Measures what is named, and adds it to the results."""
    parser = experiment_parser(__doc__, "benchmarks/results/tiles.json")
    parser.add_argument("--tile", default="256", help="value of image.tile, for suites")
    parser.add_argument("--methods", default="utad,padim,patchcore", help="for suites")
    parser.add_argument("--tiles-alone", action="store_true", help="likewise, without the lines of whole images")
    parser.add_argument("--train", type=int, default=60, help="fabricated training images")
    parser.add_argument("--test", type=int, default=200, help="fabricated test images, half of them normal")
    parser.add_argument("--defect", type=int, default=12, help="width of a fabricated defect, in pixels")
    parser.add_argument("--work", type=Path, help="where images are made; a temporary folder if not given")
    arguments = parser.parse_args(argv)
    for given in arguments.categories:
        if given.startswith("fabricated/"):
            height, width = (int(length) for length in given.split("/")[1].split("x"))
            found = {"camera": camera((height, width), arguments)}
            print(given, found, flush=True)
        else:
            found = {"methods": compared(given, arguments)}
        add_run(given, arguments, found)


if __name__ == "__main__":
    main()
