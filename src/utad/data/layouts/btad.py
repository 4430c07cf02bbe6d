"""The layout of BTAD: `train/ok`, `test/ok`, `test/ko`, `ground_truth/ko/<stem>.png`."""

from __future__ import annotations

from pathlib import Path

from utad.data.layouts.layout import Layout, LayoutImages
from utad.data.layouts.split import has_split, read_split


def _recognise(folder: Path) -> bool:
    return has_split(folder, "ok")


def _read(folder: Path, *, masks: bool) -> LayoutImages:
    return read_split(folder, "ok", masks=masks)


LAYOUT = Layout("btad", "train/ok, test/ok, test/ko, ground_truth/ko/<stem>.png", _recognise, _read)
