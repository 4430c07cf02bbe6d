"""The layout of MVTec AD: `train/good`, `test/<defect>`, `ground_truth/<defect>/<stem>_mask.png`."""

from __future__ import annotations

from pathlib import Path

from utad.data.layouts.layout import Layout, LayoutImages
from utad.data.layouts.split import has_split, read_split

MVTEC_CATEGORIES: tuple[str, ...] = (
    *("bottle", "cable", "capsule", "carpet", "grid", "hazelnut", "leather", "metal_nut"),
    *("pill", "screw", "tile", "toothbrush", "transistor", "wood", "zipper"),
)
"""The 15 categories of MVTec AD."""


def _recognise(folder: Path) -> bool:
    return has_split(folder, "good")


def _read(folder: Path, *, masks: bool) -> LayoutImages:
    return read_split(folder, "good", masks=masks)


LAYOUT = Layout("mvtec", "train/good, test/<defect>, ground_truth/<defect>/<stem>_mask.png", _recognise, _read)
