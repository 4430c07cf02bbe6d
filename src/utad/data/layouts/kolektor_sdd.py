"""The layout of KolektorSDD: `kos01/Part0.jpg` with its mask `kos01/Part0_label.bmp` beside it, without a split."""

from __future__ import annotations

from pathlib import Path

from utad.data.layouts.layout import Layout, LayoutImages
from utad.data.layouts.masks_beside import holds_pairs_below, read_pairs

_ENDING = "_label"


def _recognise(folder: Path) -> bool:
    return holds_pairs_below(folder, _ENDING)


def _read(folder: Path, *, masks: bool) -> LayoutImages:
    normal, anomalous, left_out = read_pairs(folder, folder, _ENDING, masks=masks)
    return LayoutImages(test=tuple(anomalous), unsplit=tuple(normal), left_out=left_out)


LAYOUT = Layout("kolektor-sdd", "<part>/<stem>.jpg beside <part>/<stem>_label.bmp", _recognise, _read)
