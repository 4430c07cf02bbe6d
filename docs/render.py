"""Puts the committed results into the pages, between markers; `--check` only says whether they agree.

python docs/render.py [--check]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from utad.evaluation.benchmark import rows_of
from utad.evaluation.tables import comparison_table

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))
from measuring.tables import (  # noqa: E402
    busy,
    load,
    other_libraries,
    parity,
    small_install,
    speed_parts,
    speed_whole,
    table,
    targets,
    upsampled_conv,
)

TEXTURES = ("brick", "grass", "gravel")
RIVALS = ("padim", "patchcore")


def end_to_end(document: dict[str, Any]) -> str:
    """The table of `benchmarks/end_to_end.py`."""
    rows = []
    for category, result in document["results"].items():
        evaluation = result["evaluation"]
        pixel = evaluation.get("pixel", {})
        rows.append(
            [
                category,
                str(result["n_train"]),
                f"{result['train_seconds'] / 60:.1f} min",
                f"{evaluation['image']['auroc']:.3f}",
                *(f"{pixel[key]:.3f}" if pixel else "no masks" for key in ("auroc", "aupro")),
                f"{100 * evaluation['false_positive_rate']:.1f} %",
                f"{100 * evaluation['recall']:.1f} %",
                f"{evaluation['ms_per_image']:.0f} ms",
            ]
        )
    columns = ["data", "training images:", "training:", "image AUROC:", "pixel AUROC:", "AUPRO:", "false alarms:"]
    machine = document["machine"]
    lines = [
        *table([*columns, "recall:", "one image:"], rows),
        "",
        f"Preset `{document['preset']}`, seed {document['seed']}, {machine['cores']} cores of an "
        f"{machine['processor']}, PyTorch {document['versions']['torch']}, peak memory "
        f"{document['peak_memory_mb'] / 1000:.1f} GB. Produced by `make bench`.",
    ]
    return "\n".join(lines)


def comparison(document: dict[str, Any]) -> str:
    """The table of `benchmarks/suites.py`."""
    machine, versions, jobs = document["machine"], document["versions"], document.get("jobs", 1)
    commits = sorted({str(cell["commit"])[:10] for cell in document["cells"] if cell.get("commit")})
    lines = [comparison_table(rows_of(document)), ""]
    if any("departures" not in cell for cell in document["cells"]):
        lines += ["The list is that of the methods as they are now: these results are older than it.", ""]
    lines += [
        f"Protocol: {document['protocol']}. Licence of the images: {document['licence']}. Preset "
        f"`{document['preset']}`, seeds {', '.join(map(str, document['seeds']))}, {jobs} "
        f"{'cell' if jobs == 1 else 'cells'} at a time on {machine['cores']} cores of an {machine['processor']}, "
        f"PyTorch {versions['torch']}, commit {', '.join(commits) or document['commit'][:10]}.",
    ]
    failures = document["failures"]
    if failures:
        lines += ["", "Failed: " + "; ".join(f"{failure['cell']} ({failure['error']})" for failure in failures) + "."]
    return "\n".join(lines)


def goals(documents: Sequence[dict[str, Any]]) -> str:
    """UTAD beside the better of PaDiM and PatchCore, category by category, and the goals of the project."""
    rows = [row for document in documents for row in rows_of(document) if row.category != "mean"]
    values = {(row.category, row.method): {key: fmean(v) for key, v in row.values.items()} for row in rows}
    categories = list(dict.fromkeys(category for category, method in values if method == "utad"))
    digits = [category for category in categories if category not in (*TEXTURES, "elpv-mono", "elpv-poly")]

    def over_better(category: str, key: str) -> float:
        return values[category, "utad"][key] - max(values[category, rival][key] for rival in RIVALS)

    def mean(group: Sequence[str], key: str) -> float:
        return fmean(values[category, "utad"][key] for category in group)

    ahead = {category: over_better(category, "image.auroc") for category in categories}
    behind = [category for category, difference in ahead.items() if difference < -0.01]
    worst = max(categories, key=lambda category: values[category, "utad"]["false_positive_rate"])
    rate = values[worst, "utad"]["false_positive_rate"]
    pixel = fmean(over_better(category, "pixel.aupr") for category in TEXTURES)
    reached = [
        [figure, f"{goal:.3f}", f"{value:.3f}", "yes" if value >= goal else "no"]
        for figure, goal, value in (
            ("image AUROC, elpv-mono", 0.970, mean(["elpv-mono"], "image.auroc")),
            ("image AUROC, elpv-poly", 0.920, mean(["elpv-poly"], "image.auroc")),
            ("image AUROC, textures, mean", 0.985, mean(TEXTURES, "image.auroc")),
            ("pixel AUROC, textures, mean", 0.975, mean(TEXTURES, "pixel.auroc")),
            ("AUPRO, textures, mean", 0.90, mean(TEXTURES, "pixel.aupro")),
            ("pixel AUPR, textures, mean", 0.60, mean(TEXTURES, "pixel.aupr")),
            ("image AUROC, mnist-5k, mean", 0.985, mean(digits, "image.auroc")),
            ("image AUROC over the better of PaDiM and PatchCore, mean of all", 0.010, fmean(ahead.values())),
            ("pixel AUPR over the better of the two, textures, mean", 0.05, pixel),
        )
    ]
    below = ["categories below the better of the two by more than 0.01", "none", ", ".join(behind) or "none"]
    highest = ["highest false-positive rate of a category", "at most 3 %", f"{100 * rate:.1f} % ({worst})"]
    reached += [[*below, "no" if behind else "yes"], [*highest, "yes" if rate <= 0.03 else "no"]]
    scores = [
        [category, *(f"{values[category, method]['image.auroc']:.3f}" for method in ("utad", *RIVALS)), f"{lead:+.3f}"]
        for category, lead in ahead.items()
    ]
    figures = table(["figure", "goal:", "measured:", "reached"], reached)
    return "\n".join(
        [*figures, "", *table(["category", "utad:", "padim:", "patchcore:", "utad over the better:"], scores)]
    )


def restoration(document: dict[str, Any]) -> str:
    """How good the restored images are, of `benchmarks/end_to_end.py`."""
    rows = [
        [category, name, *(f"{result['restoration'][name][key]:.3f}" for key in ("l1", "ssim", "defect_kept"))]
        for category, result in document["results"].items()
        for name in ("x_hat", "m", "m_hat")
    ]
    return "\n".join(table(["data", "image", "L1:", "SSIM:", "share of a defect kept:"], rows))


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
    runs = [
        (f"{category.rsplit('/', 1)[0]}, {label}", run)
        for label, by_category in document["runs"].items()
        for category, run in by_category.items()
    ]
    runs.sort(key=lambda named: named[0])
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


COMPARISONS = ("textures", "elpv", "mnist-5k", "brick-all")
"""The committed comparisons that have results."""

_BENCHMARKS, _PERFORMANCE = "docs/benchmarks.md", "docs/performance.md"
_FEATURES = "docs/experiments/feature_impression.md"

SECTIONS: dict[str, tuple[str, str | tuple[str, ...], Callable[[Any], str]]] = {
    "goals": (_BENCHMARKS, ("textures", "elpv", "mnist-5k"), goals),
    "restoration": (_BENCHMARKS, "end_to_end", restoration),
    "end_to_end": ("README.md", "end_to_end", end_to_end),
    **{name: (_BENCHMARKS, name, comparison) for name in COMPARISONS},
    "speed-targets": (_PERFORMANCE, "speed", targets),
    "other-libraries-targets": (_PERFORMANCE, "other_libraries", targets),
    "parity-targets": (_PERFORMANCE, "parity", targets),
    "speed-whole": (_PERFORMANCE, "speed", speed_whole),
    "speed-parts": (_PERFORMANCE, "speed", speed_parts),
    "busy": (_PERFORMANCE, "busy", busy),
    "load": (_PERFORMANCE, "load", load),
    "faults": ("docs/deploying.md", "faults", targets),
    "small-install": ("docs/deploying.md", "small_install", small_install),
    "copies": ("docs/experiments/copies.md", "copies", copies),
    "feature-drift": ("docs/experiments/feature_drift.md", "feature_drift", feature_drift),
    "similar-images": ("docs/experiments/similar_images.md", "similar_images", similar_images),
    "restored-images": ("docs/experiments/restored_images.md", "restored_images", restored_images),
    "map-components": ("docs/experiments/map_components.md", "feature_impression", map_components),
    "masks": ("docs/experiments/masks.md", "masks", masks),
    "alignment": ("docs/experiments/alignment.md", "alignment", alignment),
    "tiles": ("docs/experiments/tiles.md", "tiles", tiles),
    "camera": ("docs/experiments/tiles.md", "tiles", camera),
    "labels": ("docs/experiments/labels.md", "labels", labels),
    "illumination": ("docs/experiments/illumination.md", "illumination", illumination),
    "feature-impression": (_FEATURES, "feature_impression", feature_impression),
    "feature-impression-labels": (_FEATURES, "feature_impression", feature_impression_labels),
    "upsampled_conv": (_PERFORMANCE, "upsampled_conv", upsampled_conv),
    "parity": (_PERFORMANCE, "parity", parity),
    "other-libraries": (_PERFORMANCE, "other_libraries", other_libraries),
}
"""Of each marker: the page it stands in, the results in benchmarks/results, one file or several, and how."""


def render(root: Path, name: str) -> tuple[Path, str, str]:
    """The page of a section, its text as it is, and as the results have it; without results nothing is shown."""
    page_name, results_name, shown = SECTIONS[name]
    page = root / page_name
    text = page.read_text(encoding="utf-8")
    start, end = f"<!-- {name}: rendered by docs/render.py -->", f"<!-- /{name} -->"
    head, rest = text.split(start)
    _, tail = rest.split(end)
    names = (results_name,) if isinstance(results_name, str) else results_name
    files = [root / "benchmarks" / "results" / f"{name}.json" for name in names]
    content = ""
    if all(file.is_file() for file in files):
        documents = [json.loads(file.read_text(encoding="utf-8")) for file in files]
        content = shown(documents[0] if isinstance(results_name, str) else documents) + "\n"
    return page, text, f"{head}{start}\n{content}{end}{tail}"


def main() -> int:
    """Renders every section; with --check, exits with 1 where a page differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    stale = []
    for name in SECTIONS:
        page, text, rendered = render(ROOT, name)
        if text != rendered:
            stale.append(f"{page.name} ({name})")
            if not arguments.check:
                page.write_text(rendered, encoding="utf-8")
    if arguments.check and stale:
        sys.stderr.write(f"not as the committed results have it: {', '.join(stale)}; run make docs\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
