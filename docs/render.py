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
from utad.evaluation.tables import comparison_table, markdown_line

ROOT = Path(__file__).resolve().parent.parent

TEXTURES = ("brick", "grass", "gravel")
RIVALS = ("padim", "patchcore")
RUNTIMES = {"onnx": "ONNX", "openvino": "OpenVINO"}


def end_to_end(document: dict[str, Any]) -> str:
    """The table of `benchmarks/end_to_end.py`."""
    lines = [
        "| data | training images | training | image AUROC | pixel AUROC | AUPRO | false alarms | recall | one image |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for category, result in document["results"].items():
        evaluation = result["evaluation"]
        pixel = evaluation.get("pixel", {})
        cells = [
            category,
            str(result["n_train"]),
            f"{result['train_seconds'] / 60:.1f} min",
            f"{evaluation['image']['auroc']:.3f}",
            f"{pixel['auroc']:.3f}" if pixel else "no masks",
            f"{pixel['aupro']:.3f}" if pixel else "no masks",
            f"{100 * evaluation['false_positive_rate']:.1f} %",
            f"{100 * evaluation['recall']:.1f} %",
            f"{evaluation['ms_per_image']:.0f} ms",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    machine = document["machine"]
    lines += [
        "",
        f"Preset `{document['preset']}`, seed {document['seed']}, {machine['cores']} cores of an "
        f"{machine['processor']}, PyTorch {document['versions']['torch']}, peak memory "
        f"{document['peak_memory_mb'] / 1000:.1f} GB. Produced by `make bench`.",
    ]
    return "\n".join(lines)


def comparison(document: dict[str, Any]) -> str:
    """The table of `benchmarks/suites.py`."""
    machine, versions = document["machine"], document["versions"]
    commits = sorted({str(cell["commit"])[:10] for cell in document["cells"] if cell.get("commit")})
    lines = [
        comparison_table(rows_of(document)),
        "",
        f"Protocol: {document['protocol']}. Licence of the images: {document['licence']}. Preset "
        f"`{document['preset']}`, seeds {', '.join(map(str, document['seeds']))}, {machine['cores']} cores of an "
        f"{machine['processor']}, PyTorch {versions['torch']}, commit {', '.join(commits) or document['commit'][:10]}.",
    ]
    failures = document["failures"]
    if failures:
        lines += ["", "Failed: " + "; ".join(f"{failure['cell']} ({failure['error']})" for failure in failures) + "."]
    return "\n".join(lines)


def speed_parts(document: dict[str, Any]) -> str:
    """The parts of scoring and training, of `benchmarks/speed.py`."""
    lines = []
    for preset, entry in document["presets"].items():
        modes = [(f"scoring, batch {batch}", scoring) for batch, scoring in entry["scoring"].items()]
        modes.append(
            (f"training, {entry['training']['precision']}, batch {entry['training']['batch']}", entry["training"])
        )
        for title, mode in modes:
            rate = mode["multiply_adds_per_second"] / 1e9
            lines += [
                f"**`{preset}`, {title}**: {rate:.0f} billion multiply-adds a second in the large product, peak memory "
                f"{mode['peak_memory_mb']:.0f} MB.",
                "",
                "| part | ms an image | quartiles | repetitions | million multiply-adds | floor, ms | over floor |",
                "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
                *(markdown_line(part_cells(name, part)) for name, part in mode["parts"].items()),
                "",
            ]
    return "\n".join([*lines, provenance(document)])


def goals(documents: Sequence[dict[str, Any]]) -> str:
    """UTAD beside the better of PaDiM and PatchCore, category by category, and the goals of the project."""
    rows = [row for document in documents for row in rows_of(document) if row.category != "mean"]
    values = {(row.category, row.method): {key: fmean(v) for key, v in row.values.items()} for row in rows}
    categories = list(dict.fromkeys(category for category, method in values if method == "utad"))
    suites = {"textures": TEXTURES, "elpv": ("elpv-mono", "elpv-poly")}
    groups = {**suites, "mnist-5k": tuple(c for c in categories if c not in (*TEXTURES, *suites["elpv"]))}

    def better(category: str, key: str) -> float:
        return max(values[category, rival][key] for rival in RIVALS)

    def mean(name: str, key: str) -> float:
        return fmean(values[category, "utad"][key] for category in groups[name])

    ahead = {c: values[c, "utad"]["image.auroc"] - better(c, "image.auroc") for c in categories}
    pixel = fmean(values[c, "utad"]["pixel.aupr"] - better(c, "pixel.aupr") for c in TEXTURES)
    behind = [category for category, difference in ahead.items() if difference < -0.01]
    worst = max(categories, key=lambda category: values[category, "utad"]["false_positive_rate"])
    rate = values[worst, "utad"]["false_positive_rate"]
    measured = [
        ("image AUROC, elpv-mono", 0.970, values["elpv-mono", "utad"]["image.auroc"]),
        ("image AUROC, elpv-poly", 0.920, values["elpv-poly", "utad"]["image.auroc"]),
        ("image AUROC, textures, mean", 0.985, mean("textures", "image.auroc")),
        ("pixel AUROC, textures, mean", 0.975, mean("textures", "pixel.auroc")),
        ("AUPRO, textures, mean", 0.90, mean("textures", "pixel.aupro")),
        ("pixel AUPR, textures, mean", 0.60, mean("textures", "pixel.aupr")),
        ("image AUROC, mnist-5k, mean", 0.985, mean("mnist-5k", "image.auroc")),
        ("image AUROC over the better of PaDiM and PatchCore, mean of all", 0.010, fmean(ahead.values())),
        ("pixel AUPR over the better of the two, textures, mean", 0.05, pixel),
    ]
    lines = ["| figure | goal | measured | reached |", "| --- | ---: | ---: | --- |"]
    lines += [
        markdown_line([figure, f"{goal:.3f}", f"{value:.3f}", "yes" if value >= goal else "no"])
        for figure, goal, value in measured
    ]
    lines += [
        markdown_line(
            [
                "categories below the better of the two by more than 0.01",
                "none",
                ", ".join(behind) or "none",
                "no" if behind else "yes",
            ]
        ),
        markdown_line(
            [
                "highest false-positive rate of a category",
                "at most 3 %",
                f"{100 * rate:.1f} % ({worst})",
                "yes" if rate <= 0.03 else "no",
            ]
        ),
        "",
        "| category | utad | padim | patchcore | utad over the better |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for category in categories:
        scores = [values[category, method]["image.auroc"] for method in ("utad", *RIVALS)]
        lines.append(markdown_line([category, *(f"{score:.3f}" for score in scores), f"{ahead[category]:+.3f}"]))
    return "\n".join(lines)


def restoration(document: dict[str, Any]) -> str:
    """How good the restored images are, of `benchmarks/end_to_end.py`."""
    lines = ["| data | picture | L1 | SSIM | share of a defect kept |", "| --- | --- | ---: | ---: | ---: |"]
    for category, result in document["results"].items():
        for picture in ("x_hat", "m", "m_hat"):
            figures = result["restoration"][picture]
            numbers = [f"{figures[key]:.3f}" for key in ("l1", "ssim", "defect_kept")]
            lines.append(markdown_line([category, picture, *numbers]))
    return "\n".join(lines)


def part_cells(name: str, part: dict[str, Any]) -> list[str]:
    """The cells of one part; without multiply-adds there is no floor."""
    count = part["multiply_adds"]
    return [
        name,
        f"{part['median_ms']:.2f}",
        "{:.2f} to {:.2f}".format(*part["quartiles_ms"]),
        str(part["n"]),
        f"{count / 1e6:.1f}" if count else "–",
        f"{part['floor_ms']:.2f}" if count else "–",
        f"{part['ratio']:.2f}" if count else "–",
    ]


def targets(document: dict[str, Any]) -> str:
    """The targets of `benchmarks/speed.py`, `benchmarks/peers.py` or `benchmarks/parity.py`."""
    lines = ["| figure | target | measured | met |", "| --- | ---: | ---: | --- |"]
    for row in document["targets"]:
        measured = "not measured" if row["measured"] is None else f"{row['measured']:.4g} {row['unit']}".strip()
        lines.append(
            markdown_line([row["figure"], row["target"], measured, {True: "yes", False: "no"}.get(row["met"], "–")])
        )
    return "\n".join([*lines, "", provenance(document)])


def speed_whole(document: dict[str, Any]) -> str:
    """Folders, memory, training, runtimes and the start of the command, of `benchmarks/speed.py`."""
    lines = []
    for preset, entry in document["presets"].items():
        folder = entry["folder"]
        lines.append(
            f"- `{preset}`, a folder of {folder['images']:,} JPEG: {folder['images_per_second']:.1f} images a second "
            f"({folder['range'][0]:.1f} to {folder['range'][1]:.1f} in {folder['n']} runs)."
        )
        growth, run = entry.get("memory_growth"), entry.get("training_run")
        if growth:
            lines.append(
                f"- `{preset}`, peak memory: {growth['peak_memory_mb'][0]:.0f} MB for {growth['images'][0]:,} images, "
                f"{growth['peak_memory_mb'][1]:.0f} MB for {growth['images'][1]:,}."
            )
        if run:
            lines.append(
                f"- `{preset}`, training on {run['data']}, {run['images']} images: {run['seconds'] / 60:.1f} minutes."
            )
    batch = document["batch_16"]
    if batch["multiply_adds_per_second"]:
        lines.append(
            f"- the large product, beside the runtimes: {batch['multiply_adds_per_second'] / 1e9:.0f} billion "
            "multiply-adds a second."
        )
    lines += [
        "",
        "| runtime | one image, ms | quartiles | batch 16, ms an image | quartiles | over floor "
        "| `utad predict`, whole process, s | range |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, latency in document["latency"].items():
        start, together = document["start_up"][name], batch["runtimes"].get(name)
        of_batch = (*_milliseconds(together), f"{together['ratio']:.2f}") if together else ("–",) * 3
        cells = [name, *_milliseconds(latency), *of_batch]
        lines.append(markdown_line([*cells, f"{start['median_s']:.2f}", "{:.2f} to {:.2f}".format(*start["range_s"])]))
    return "\n".join([*lines, "", provenance(document)])


def _milliseconds(timing: dict[str, Any]) -> tuple[str, str]:
    return f"{timing['median_ms']:.1f}", "{:.1f} to {:.1f}".format(*timing["quartiles_ms"])


def peers(document: dict[str, Any]) -> str:
    """The methods of `benchmarks/peers.py`, the fastest first."""
    lines = ["| method | ms an image | quartiles | repetitions |", "| --- | ---: | ---: | ---: |"]
    for name, method in sorted(document["methods"].items(), key=lambda item: float(item[1]["median_ms"])):
        shown = f"utad `{method['preset']}`, {method['runtime']} {method['precision']}" if "preset" in method else name
        cells = [shown, f"{method['median_ms']:.1f}", "{:.1f} to {:.1f}".format(*method["quartiles_ms"])]
        lines.append(markdown_line([*cells, str(method["n"])]))
    lines += ["", f"{document['note']} anomalib {document['peer_versions']['anomalib']}. {provenance(document)}"]
    failures = document["failures"]
    if failures:
        lines += ["", "Failed: " + "; ".join(f"{name} ({reason})" for name, reason in failures.items()) + "."]
    return "\n".join(lines)


def parity(document: dict[str, Any]) -> str:
    """Every export beside the detector it was made of, of `benchmarks/parity.py`."""
    lines = [
        "| test images | | scores, largest | median | maps, largest | labels flipped | image AUROC |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for category, measured in document["categories"].items():
        images = f"{category}, {measured['n_images']}"
        lines.append(markdown_line([images, "eager fp32", "", "", "", "", f"{measured['image_auroc']:.4f}"]))
        for name, export in measured["exports"].items():
            runtime, precision = name.split("-")
            cells = [f"{export[key]:.2g}" for key in ("score", "score_median", "anomaly_map")]
            cells += [str(export["labels_flipped"]), f"{export['image_auroc']:.4f}"]
            lines.append(markdown_line(["", RUNTIMES[runtime] + " " + precision, *cells]))
    return "\n".join([*lines, "", f"Preset `{document['preset']}`. {provenance(document)}"])


def provenance(document: dict[str, Any]) -> str:
    """The machine, the threads, the version and the commit, and whether the run was too short to count."""
    machine = document["machine"]
    short = "**A short run on a busy machine, to try the script: no figures to go by.** " if document["short"] else ""
    instructions = f" ({machine['instructions']})" if "instructions" in machine else ""
    return (
        f"{short}Threads: {document['threads']}; {machine['cores']} cores of an {machine['processor']}{instructions}, "
        f"PyTorch {document['versions']['torch']}, commit {str(document['commit'])[:10]}."
    )


COMPARISONS = ("textures", "elpv", "mnist-5k", "brick-all")
"""The committed comparisons that have results."""

GOALS = tuple(f"benchmarks/results/{name}.json" for name in ("textures", "elpv", "mnist-5k"))

SECTIONS: dict[str, tuple[str, str | tuple[str, ...], Callable[[Any], str]]] = {
    "goals": ("docs/benchmarks.md", GOALS, goals),
    "restoration": ("docs/benchmarks.md", "benchmarks/results/end_to_end.json", restoration),
    "end_to_end": ("README.md", "benchmarks/results/end_to_end.json", end_to_end),
    **{name: ("docs/benchmarks.md", f"benchmarks/results/{name}.json", comparison) for name in COMPARISONS},
    "speed-targets": ("docs/performance.md", "benchmarks/results/speed.json", targets),
    "peers-targets": ("docs/performance.md", "benchmarks/results/peers.json", targets),
    "parity-targets": ("docs/performance.md", "benchmarks/results/parity.json", targets),
    "speed-whole": ("docs/performance.md", "benchmarks/results/speed.json", speed_whole),
    "speed-parts": ("docs/performance.md", "benchmarks/results/speed.json", speed_parts),
    "parity": ("docs/performance.md", "benchmarks/results/parity.json", parity),
    "peers": ("docs/performance.md", "benchmarks/results/peers.json", peers),
}
"""Of each marker: the page it stands in, the results it shows, one file or several, and how."""


def render(root: Path, name: str) -> tuple[Path, str, str]:
    """The page of a section, its text as it is, and as the results have it."""
    page_name, results_name, table = SECTIONS[name]
    page = root / page_name
    text = page.read_text(encoding="utf-8")
    start, end = f"<!-- {name}: rendered by docs/render.py -->", f"<!-- /{name} -->"
    head, rest = text.split(start)
    _, tail = rest.split(end)
    names = (results_name,) if isinstance(results_name, str) else results_name
    documents = [json.loads((root / name).read_text(encoding="utf-8")) for name in names]
    results = documents[0] if isinstance(results_name, str) else documents
    return page, text, f"{head}{start}\n{table(results)}\n{end}{tail}"


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
