"""Saying how a folder was read: how many images of what were taken, and what was left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from utad.data.folder_names import is_masks
from utad.data.image_files import relative_name
from utad.data.layouts import FLAT, LAYOUTS
from utad.types import Category, Sample


def summary(category: Category, folder: Path, notes: Sequence[str] = ()) -> str:
    """How a folder was read, how many images of what were found, and what its layout has to say, in one line."""
    of_test = Counter(sample.anomalous for sample in category.test)
    marked = sum(sample.mask is not None for sample in category.test)
    shape = next(layout.shape for layout in LAYOUTS if layout.name == category.layout)
    use = " to train on" if category.test else " images"
    parts = [f"{len(category.train)} normal{use}"] if category.train else []
    if category.test:
        parts.append(
            f"{of_test[False]} normal and {of_test[True]} anomalous to test on"
            + (f", {marked} with masks" if marked else "")
        )
    files = [sample.image for sample in category.train if isinstance(sample.image, Path)]
    several = category.layout == FLAT.name and any(path.parent != folder for path in files)
    below = f" ({_by_folder(files, folder)})" if several else ""
    return f"{folder}: read as {category.layout} ({shape}): {'; '.join((*parts, *notes))}{below}"


def unused(files: Sequence[Path], samples: Iterable[Sample], folder: Path) -> tuple[str, ...]:
    """The image files that the layout has no place for, counted; masks are none of them."""
    used: set[Path] = set()
    for sample in samples:
        masks = sample.mask if isinstance(sample.mask, tuple) else (sample.mask,)
        used.update(path for path in (sample.image, *masks) if isinstance(path, Path))
    others = [
        path for path in files if path not in used and not any(map(is_masks, path.relative_to(folder).parts[:-1]))
    ]
    return (f"{len(others)} images that the layout has no place for ({_by_folder(others, folder)})",) if others else ()


def _by_folder(files: Sequence[Path], folder: Path) -> str:
    """How many files lie in which folder directly below, the most first."""
    tops = Counter(relative_name(path, folder).split("/")[0] if path.parent != folder else "." for path in files)
    shown = [f"{name} {count}" for name, count in tops.most_common(8)]
    return ", ".join(shown) + (", ..." if len(tops) > len(shown) else "")
