"""The layout of KolektorSDD2: `train` and `test`, each with `10000.png` and its mask `10000_GT.png` beside it."""

from __future__ import annotations

from pathlib import Path

from utad.data.layouts.layout import Layout, LayoutImages
from utad.data.layouts.masks_beside import holds_pairs, read_pairs

_ENDING = "_GT"
_SPLIT = ("train", "test")


def _recognise(folder: Path) -> bool:
    return any(holds_pairs(part, _ENDING) for part in (folder, *(folder / name for name in _SPLIT)))


def _read(folder: Path, *, masks: bool) -> LayoutImages:
    """The anomalous images of `train` are left out: nothing here learns from them. One part alone has no split."""
    if not any(holds_pairs(folder / name, _ENDING) for name in _SPLIT):
        normal, anomalous, left_out = read_pairs(folder, folder, _ENDING, masks=masks)
        return LayoutImages(test=tuple(anomalous), unsplit=tuple(normal), left_out=left_out)
    train, test = folder / "train", folder / "test"
    normal, unused, left_out = read_pairs(train, folder, _ENDING, masks=masks) if train.is_dir() else ([], [], ())
    if unused:
        left_out = (*left_out, f"{len(unused)} anomalous images of train, since training takes normal ones alone")
    known, anomalous, further = read_pairs(test, folder, _ENDING, masks=masks) if test.is_dir() else ([], [], ())
    return LayoutImages(tuple(normal), (*known, *anomalous), left_out=(*left_out, *further))


LAYOUT = Layout("kolektor-sdd2", "train/<stem>.png beside train/<stem>_GT.png, and test likewise", _recognise, _read)
