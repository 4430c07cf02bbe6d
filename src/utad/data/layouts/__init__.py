"""The layouts of folders that are known. A further one is a file here, its entry below, and its test."""

from __future__ import annotations

from utad.data.layouts import (
    btad,
    classes,
    flat,
    kinds,
    kolektor_sdd,
    kolektor_sdd2,
    labelled,
    loco,
    mvtec,
    visa,
    visa_folder,
)
from utad.data.layouts.layout import Layout, LayoutImages

CLASSES = classes.LAYOUT
FLAT = flat.LAYOUT

LAYOUTS: tuple[Layout, ...] = (
    visa.LAYOUT,
    visa_folder.LAYOUT,
    loco.LAYOUT,  # before the one that it extends
    mvtec.LAYOUT,
    btad.LAYOUT,
    kolektor_sdd2.LAYOUT,
    kolektor_sdd.LAYOUT,
    labelled.LAYOUT,
    kinds.LAYOUT,
    CLASSES,
    FLAT,
)
"""In the order in which they are tried."""

LAYOUT_NAMES: tuple[str, ...] = tuple(layout.name for layout in LAYOUTS)

__all__ = ["CLASSES", "FLAT", "LAYOUTS", "LAYOUT_NAMES", "Layout", "LayoutImages"]
