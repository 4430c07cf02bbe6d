"""The tables of docs/benchmarks.md, from the results of `suites.py` and `end_to_end.py`; docs/render.py places them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from measuring.tables import table
from utad.evaluation.benchmark import rows_of
from utad.evaluation.differences import Difference, difference_table, differences
from utad.evaluation.tables import comparison_table


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


def restoration(document: dict[str, Any]) -> str:
    """How good the restored images are, of `benchmarks/end_to_end.py`."""
    rows = [
        [category, name, *(f"{result['restoration'][name][key]:.3f}" for key in ("l1", "ssim", "defect_kept"))]
        for category, result in document["results"].items()
        for name in ("x_hat", "m", "m_hat")
    ]
    return "\n".join(table(["data", "image", "L1:", "SSIM:", "share of a defect kept:"], rows))


BESIDES: Mapping[str, tuple[str, ...]] = {
    "features of x alone": ("features of x alone",),
    "networks never trained": ("networks never trained",),
    "the better of PaDiM and PatchCore": ("padim", "patchcore"),
}
"""What the default is measured against, and the methods that stand for it; the highest of them counts."""


def ahead(documents: Sequence[dict[str, Any]]) -> str:
    """What the default is ahead by, category by category, on those of `suites.py` that have all of `BESIDES`."""
    needed = {method for methods in BESIDES.values() for method in methods}
    found = [(document["anomalies"], rows_of(document)) for document in documents if "anomalies" in document]
    complete = [(anomalies, rows) for anomalies, rows in found if needed <= {row.method for row in rows}]
    parts = []
    for key, heading in (("image.auroc", "Image AUROC"), ("pixel.aupro", "AUPRO")):
        for name, methods in BESIDES.items():
            groups: dict[str, list[Difference]] = {}
            for anomalies, rows in complete:
                groups.setdefault(anomalies, []).extend(differences(rows, key, "utad", methods))
            if any(groups.values()):
                parts += [f"{heading} of utad over {name}:", difference_table(groups)]
    return "\n\n".join(parts)
