"""What in training data looks as if it should not be learned from: masks, and anomalous or test images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from utad.data.folder_names import ANOMALOUS_NAMES, MASK_NAMES, is_one_of, is_telling
from utad.data.image_files import relative_name
from utad.data.reading import has_two_colours
from utad.errors import DatasetError, ImageReadError

MASK_ENDINGS = ("_mask", "_label", "_gt", "_seg", "-mask", "-label", "-gt", ".mask", "_groundtruth", "_ground_truth")
"""Endings, in lower case, of the stems of masks that lie beside their images."""

_SHOWN = 5
_LOOKED_AT = 8


def check_normal(images: Sequence[Path], folder: Path, *, own_name: bool = False) -> None:
    """Stops before something is learned that the names, or the look of the files, say is not normal.

    Args:
        images: that are to be taken for normal.
        folder: that the user named.
        own_name: whether its own name counts too, where that is one of the usual names for defects or masks.

    Raises:
        DatasetError: naming what was found, and the ways out.
    """
    telling: dict[str, int] = defaultdict(int)
    for path in images:
        if not path.is_relative_to(folder):
            continue  # a table put it there
        parents = path.relative_to(folder).parts[:-1]
        named = next((index for index, part in enumerate(parents) if is_telling(part)), None)
        if named is not None:
            telling["/".join(parents[: named + 1])] += 1
    found = [f"{count} images in {name}" for name, count in telling.items()]
    if own_name and is_one_of(folder.resolve().name, (*ANOMALOUS_NAMES, *MASK_NAMES)):
        found.append(f"{len(images)} images in a folder of that name")
    masks = list(dict.fromkeys([*_masks_by_name(images), *_masks_by_look(images)]))
    if masks:
        found.append(f"{_some(masks, folder)} beside images of that name, which look like their masks")
    if found:
        raise DatasetError(
            f"{folder}: would take for normal {'; '.join(found)}. Is all of it normal? Then say so (--layout flat, "
            "layout='flat'). Else name the folder of the normal images, or the layout (--layout NAME), or move the "
            "rest away"
        )


def _masks_by_name(images: Sequence[Path]) -> list[Path]:
    """Files that are named as the mask of another one beside them."""
    stems = {(path.parent, path.stem.casefold()) for path in images}
    return [
        path
        for path in images
        for ending in MASK_ENDINGS
        if path.stem.casefold().endswith(ending) and (path.parent, path.stem.casefold().removesuffix(ending)) in stems
    ]


def _masks_by_look(images: Sequence[Path]) -> list[Path]:
    """Files named as another image, in that folder or in one beside it, where those looked at have two colours.

    Images of two colours all around are what the part looks like, and no masks.
    """
    by_stem: dict[str, list[Path]] = defaultdict(list)
    for path in images:
        by_stem[_bare(path.stem)].append(path)
    by_place: dict[tuple[Path, str], list[Path]] = defaultdict(list)
    for twins in by_stem.values():
        if len(twins) > 1:
            for path in twins:
                by_place[path.parent, path.suffix.lower()].append(path)
    masks = [paths for paths in by_place.values() if look_like_masks(paths)]
    return [path for paths in masks for path in paths] if len(masks) < len(by_place) else []


def _bare(stem: str) -> str:
    """A stem, letter case aside, without what masks have behind the name of their image."""
    folded = stem.casefold()
    return next((folded.removesuffix(ending) for ending in MASK_ENDINGS if folded.endswith(ending)), folded)


def look_like_masks(paths: Sequence[Path]) -> bool:
    """Whether the first of these images have two colours."""
    try:
        return all(has_two_colours(path) for path in paths[:_LOOKED_AT])
    except ImageReadError:
        return False  # reported, or skipped, where images are read


def _some(paths: Sequence[Path], folder: Path) -> str:
    shown = (relative_name(path, folder) if path.is_relative_to(folder) else str(path) for path in paths[:_SHOWN])
    names = ", ".join(shown)
    return names if len(paths) <= _SHOWN else f"{names} and {len(paths) - _SHOWN} more"
