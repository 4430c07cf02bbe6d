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

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))
from measuring.comparison_tables import ahead, comparison, end_to_end, restoration  # noqa: E402
from measuring.experiment_tables import (  # noqa: E402
    alignment,
    camera,
    copies,
    feature_drift,
    feature_impression,
    feature_impression_labels,
    illumination,
    labels,
    map_components,
    masks,
    restored_images,
    similar_images,
    small_defects,
    tile_places,
    tiles,
)
from measuring.tables import (  # noqa: E402
    busy,
    load,
    other_libraries,
    parity,
    small_install,
    speed_parts,
    speed_whole,
    targets,
    upsampled_conv,
)

COMPARISONS = ("real", "textures", "elpv", "mnist-5k", "brick-all")
"""The committed comparisons; one without results shows nothing."""

_BENCHMARKS, _PERFORMANCE = "docs/benchmarks.md", "docs/performance.md"
_FEATURES = "docs/experiments/feature_impression.md"

SECTIONS: dict[str, tuple[str, str | tuple[str, ...], Callable[[Any], str]]] = {
    "ahead": (_BENCHMARKS, ("real", "elpv", "mnist-5k", "textures"), ahead),
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
    "small-defects": ("docs/experiments/small_defects.md", "small_defects", small_defects),
    "camera": ("docs/experiments/tiles.md", "tiles", camera),
    "tile-places": ("docs/experiments/tile_places.md", "tile_places", tile_places),
    "labels": ("docs/experiments/labels.md", "labels", labels),
    "illumination": ("docs/experiments/illumination.md", "illumination", illumination),
    "feature-impression": (_FEATURES, "feature_impression", feature_impression),
    "feature-impression-labels": (_FEATURES, "feature_impression", feature_impression_labels),
    "upsampled_conv": (_PERFORMANCE, "upsampled_conv", upsampled_conv),
    "parity": (_PERFORMANCE, "parity", parity),
    "other-libraries": (_PERFORMANCE, "other_libraries", other_libraries),
}
"""Of each marker: its page, its results in benchmarks/results, one file or those of several that are there, and how."""


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
    documents = [json.loads(file.read_text(encoding="utf-8")) for file in files if file.is_file()]
    content = shown(documents[0] if isinstance(results_name, str) else documents) + "\n" if documents else ""
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
