"""Puts the committed results into the pages, between markers; `--check` only says whether they agree.

python docs/render.py [--check]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from utad.evaluation.benchmark import rows_of
from utad.evaluation.tables import comparison_table

ROOT = Path(__file__).resolve().parent.parent


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


COMPARISONS = ("textures", "elpv")
"""The committed comparisons that have results."""

SECTIONS: dict[str, tuple[str, str, Callable[[dict[str, Any]], str]]] = {
    "end_to_end": ("README.md", "benchmarks/results/end_to_end.json", end_to_end),
    **{name: ("docs/benchmarks.md", f"benchmarks/results/{name}.json", comparison) for name in COMPARISONS},
}
"""Of each marker: the page it stands in, the results it shows, and how."""


def render(root: Path, name: str) -> tuple[Path, str, str]:
    """The page of a section, its text as it is, and as the results have it."""
    page_name, results_name, table = SECTIONS[name]
    page = root / page_name
    text = page.read_text(encoding="utf-8")
    start, end = f"<!-- {name}: rendered by docs/render.py -->", f"<!-- /{name} -->"
    head, rest = text.split(start)
    _, tail = rest.split(end)
    results = json.loads((root / results_name).read_text(encoding="utf-8"))
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
