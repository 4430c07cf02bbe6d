"""The tables of docs/experiments, from the results of benchmarks/experiments; docs/render.py places them."""

from __future__ import annotations

from statistics import fmean
from typing import Any

from measuring.tables import table

SCORES = (
    *("input", "input-near", "deep", "whole", "restored", "restored-near", "restored-whole", "input, deep"),
    *("restored, deep", "default, restored twice", "x alone, before", "default, before", "default"),
)
"""Sets of components that were candidates for the score, and what they are measured against."""


def feature_impression(document: dict[str, Any]) -> str:
    """Image AUROC by set of components, of `benchmarks/experiments/feature_impression.py`."""
    trained, untrained = document["runs"]["default"], document["runs"]["untrained"]
    # Of x alone, the same in both; by the default, which is the same as x alone where nothing was trained.
    columns = {
        **{name: (trained, name) for name in SCORES},
        "x alone": (untrained, "x alone"),
        "never trained": (untrained, "default"),
    }
    values = {
        category: [runs[category]["sets"][name]["image_auroc"] for runs, name in columns.values()]
        for category in trained
    }
    values["mean"] = [fmean(column) for column in zip(*values.values(), strict=True)]
    rows = [[category, *(f"{value:.3f}" for value in row)] for category, row in values.items()]
    return "\n".join(table(["category, seed", *(f"{name}:" for name in columns)], rows))


def feature_impression_labels(document: dict[str, Any]) -> str:
    """What the default threshold comes to, of the same."""
    shown = (
        ("false alarms:", "false_alarms"),
        ("recall:", "recall"),
        ("recall at 1 % of the test:", "recall_oracle"),
        ("false alarms without the witness:", "false_alarms_without_witness"),
    )
    rows = [
        [category, name, *(f"{run['sets'][name][key]:.1%}" for _, key in shown)]
        for category, run in document["runs"]["default"].items()
        for name in ("x alone, before", "default, before", "default, restored twice", "default")
    ]
    return "\n".join(table(["category, seed", "components", *(heading for heading, _ in shown)], rows))


MAPS = ("near of both, restored", "restored, input-near, input-detail", "near of both, restored, input-detail")
"""Sets of components that were candidates for the map."""


def map_components(document: dict[str, Any]) -> str:
    """AUPRO of the candidates for the map, of `benchmarks/experiments/feature_impression.py`."""
    names = (*MAPS, "near of both, input-detail", "input", "input-near", "input-detail")
    rows = [
        [category, *(f"{run['sets'][name]['aupro']:.3f}" for name in names)]
        for category, run in document["runs"]["default"].items()
        if "aupro" in run["sets"]["input"]
    ]
    return "\n".join(table(["category, seed", *(f"{name}:" for name in names)], rows))


def restored_images(document: dict[str, Any]) -> str:
    """The settings of `benchmarks/experiments/restored_images.py`; m alone where Expert-Net is not trained."""
    rows = [
        [category, label, symbol, *(f"{run[symbol][key]:.3f}" for key in ("l1", "ssim", "defect_kept"))]
        for label, runs in document["runs"].items()
        for category, run in runs.items()
        for symbol in (("m",) if "expert_training.steps=0" in run["settings"] else ("m", "x_hat", "m_hat"))
    ]
    heads = ["category, seed", "trained", "image", "L1:", "SSIM:", "share of a defect kept:"]
    return "\n".join(table(heads, sorted(rows, key=lambda row: row[0])))


def illumination(document: dict[str, Any]) -> str:
    """False alarms by change of illumination, and quality, of `benchmarks/experiments/illumination.py`."""
    named = {f"{name}, {label}": run for name, runs in _by_category(document).items() for label, run in runs.items()}
    runs = sorted(named.items(), key=lambda item: item[0])
    names = {name: None for _, run in runs for name in run["quality"]}
    rows = [
        [name, *(f"{run['quality'][name]:.3f}" if name in run["quality"] else "–" for _, run in runs)] for name in names
    ]
    changes = next(iter(runs))[1]["false_alarms"]
    rows += [
        [f"false alarms, {'images as they are' if change == 'none' else change}"]
        + [f"{run['false_alarms'][change]:.1%}" for _, run in runs]
        for change in changes
    ]
    return "\n".join(table(["", *(f"{name}:" for name, _ in runs)], rows))


def labels(document: dict[str, Any]) -> str:
    """Gaps, and what thresholds come to, of `benchmarks/experiments/labels.py`."""
    rules = ("without", "by_share", "whole")
    rows = []
    for label, by_category in document["runs"].items():
        for category, run in by_category.items():
            found = run["labels"]
            gaps = [f"{found[key]:.2f}" for key in ("gap_needed", "gap_of_witness", "gap_of_half")]
            outcomes = [f"{found[f'{rate}_{rule}']:.1%}" for rule in rules for rate in ("false_alarms", "recall")]
            named = category if label == "default" else f"{category}, {label}"
            rows.append([named, f"{found['normal_test_images']:.0f}", *gaps, *outcomes, f"{found['recall_exact']:.1%}"])
    heads = ["category, seed", "normal test images:", "gap needed:", "gap of the witness:", "gap of half:"]
    heads += [f"{rate}, {rule.replace('_', ' ')}:" for rule in rules for rate in ("false alarms", "recall")]
    return "\n".join(table([*heads, "recall, exactly 1 %:"], sorted(rows)))


def copies(document: dict[str, Any]) -> str:
    """The differences of `benchmarks/experiments/copies.py`."""
    runs = document["runs"]["default"]
    names = [name for name in next(iter(runs.values()))["differences"] if name != "n_images"]
    rows = [
        [category, f"{run['differences']['n_images']:.0f}", *(f"{run['differences'][name]:.4f}" for name in names)]
        for category, run in runs.items()
    ]
    return "\n".join(table(["category, seed", "images:", *(f"{name}:" for name in names)], rows))


def similar_images(document: dict[str, Any]) -> str:
    """How alike the neighbours are by each code of `benchmarks/experiments/similar_images.py`."""
    runs = document["runs"]["default"]
    names = list(next(iter(runs.values()))["correlation"])
    rows = [[category, *(f"{run['correlation'][name]:.3f}" for name in names)] for category, run in runs.items()]
    return "\n".join(table(["category, seed", *(f"{name}:" for name in names)], rows))


def feature_drift(document: dict[str, Any]) -> str:
    """Level and share of features that have moved, of `benchmarks/experiments/feature_drift.py`."""
    runs = document["runs"]["default"]
    changes = list(next(iter(runs.values()))["drift"])
    rows = [
        [category, f"{run['kept']}", f"{run['recent']}"]
        + [f"{found['level']} ({found['moved']:.0%})" for found in (run["drift"][change] for change in changes)]
        for category, run in runs.items()
    ]
    return "\n".join(table(["category, seed", "kept:", "recent:", *(f"{change}:" for change in changes)], rows))


def masks(document: dict[str, Any]) -> str:
    """IoU by rule of `benchmarks/experiments/masks.py`, and normal images with a mask for two of them."""
    rows = []
    for category, run in document["runs"]["default"].items():
        rules = run["rules"]
        (oracle,) = (rule for rule in rules if rule.startswith("oracle"))
        shown = [rule for rule in rules if rule != oracle]
        masked = (f"{rules[rule]['masked_normals']:.1%}" for rule in ("fixed 0.5", "relative 0.5"))
        rows.append([category, *(f"{rules[rule]['iou']:.3f}" for rule in (*shown, oracle)), *masked])
    heads = [*(f"{rule}:" for rule in shown), "best fixed (oracle):"]
    return "\n".join(table(["category, seed", *heads, "normal images masked, fixed 0.5:", "relative 0.5:"], rows))


def alignment(document: dict[str, Any]) -> str:
    """Metrics of `benchmarks/experiments/alignment.py`, a row for each way in which the images lie."""
    rows = [
        [
            category,
            name,
            *(f"{row[key]:.3f}" if row[key] is not None else "no masks" for key in ("image_auroc", "aupro")),
            *(f"{row[key]:.1%}" for key in ("false_alarms", "recall")),
            f"{row['not_registered']} of {row['n_images']}",
        ]
        for category, run in document["runs"]["default"].items()
        for name, row in run["rows"].items()
    ]
    heads = ["category, seed", "images", "image AUROC:", "AUPRO:", "false alarms:", "recall:", "not registered:"]
    return "\n".join(table(heads, rows))


def tiles(document: dict[str, Any]) -> str:
    """Methods on whole images and on tiles, of `benchmarks/experiments/tiles.py`."""
    rows = []
    for label, runs in document["runs"].items():
        for category, run in runs.items():
            for method, found in run.get("methods", {}).items():
                quality = (f"{found[key]:.3f}" for key in ("image_auroc", "aupro"))
                shares = (f"{found[key]:.1%}" for key in ("false_alarms", "recall", "recall_at_1_percent"))
                times = f"{found['fit_s'] / 60:.1f} min", f"{found['ms_per_image']:.0f} ms"
                memory = f"{found['peak_memory_mb'] / 1000:.1f} GB"
                rows.append([category, method, label, *quality, *shares, *times, memory])
    heads = (
        "image AUROC:",
        "AUPRO:",
        "false alarms:",
        "recall:",
        "recall at 1 %:",
        "training:",
        "one image:",
        "memory:",
    )
    return "\n".join(table(["category, seed", "method", "settings", *heads], rows))


def small_defects(document: dict[str, Any]) -> str:
    """Of `benchmarks/experiments/small_defects.py`: a table a category, with a column for each of its settings."""
    tables = []
    for category, runs in _by_category(document).items():
        names = {name: None for run in runs.values() for name in run["rows"]}
        shown = [[name, *(_found(run["rows"].get(name)) for run in runs.values())] for name in names]
        tables += [f"{category}:", "", *table(["highest value of", *(f"{label}:" for label in runs)], shown), ""]
    return "\n".join(tables[:-1])


def tile_places(document: dict[str, Any]) -> str:
    """Of `benchmarks/experiments/tile_places.py`: a table a category, with two columns for each of its settings."""
    tables = []
    for category, runs in _by_category(document).items():
        heads = [f"{label}{what}:" for label in runs for what in (": AUROC, recall", ": AUPRO")]
        names = {name: None for run in runs.values() for name in run["rows"]}
        shown = []
        for name in names:
            rows = [run["rows"].get(name) for run in runs.values()]
            cells = [(_found(row), f"{row['aupro']:.3f}" if row else "–") for row in rows]
            shown.append([name, *(cell for pair in cells for cell in pair)])
        tables += [f"{category}:", "", *table(["component, statistics of", *heads], shown), ""]
    return "\n".join(tables[:-1])


def _found(row: dict[str, float] | None) -> str:
    return "–" if row is None else f"{row['image_auroc']:.3f}, {row['recall_above_all_normal']:.0%}"


def camera(document: dict[str, Any]) -> str:
    """Fabricated images of a camera, of `benchmarks/experiments/tiles.py`."""
    rows = []
    for label, runs in document["runs"].items():
        for category, run in runs.items():
            found = run.get("camera")
            if found is None:
                continue
            counts = (str(found[key]) for key in ("train", "test", "defect", "side", "tiles"))
            shares = (f"{found[key]:.1%}" for key in ("recall", "false_alarms", "recall_at_1_percent", "peak_inside"))
            times = f"{found['fit_s'] / 60:.1f} min", f"{found['seconds_per_image']:.2f} s"
            peaks = (f"{found[key] / 1000:.2f} GB" for key in ("training_peak_mb", "scoring_peak_mb"))
            rows.append([category, label, *counts, *shares, *times, *peaks])
    heads = ["images, seed", "settings", "training images:", "test images:", "defect, px:", "tile, px:", "tiles:"]
    heads += ["recall:", "false alarms:", "recall at 1 %:", "peak at the defect:", "training:", "one image:"]
    return "\n".join(table([*heads, "memory, training:", "memory, scoring:"], rows))


def _by_category(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Every run of one seed, by category, and there by what its settings are called."""
    found: dict[str, dict[str, Any]] = {}
    for label, by_category in document["runs"].items():
        for category, run in by_category.items():
            found.setdefault(category.rsplit("/", 1)[0], {})[label] = run
    return found
