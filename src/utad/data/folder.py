"""Opening a folder of the user's own images, whichever of the known layouts it has."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utad.data.image_files import list_images, subfolders, survey
from utad.data.layouts import CLASSES, FLAT, LAYOUT_NAMES, LAYOUTS, Layout, LayoutImages
from utad.data.layouts.classes import classes_in, look_like_classes, normal_class, of_class
from utad.data.local import not_local
from utad.data.pages import later_pages
from utad.data.summary import summary, unused
from utad.data.suspicion import check_normal
from utad.errors import DatasetError
from utad.types import Category, Sample

_log = logging.getLogger(__name__)

_TEST_SHARE = 0.2


@dataclass(frozen=True)
class _Place:
    """One category: where it is, and how it is read."""

    folder: Path
    name: str
    layout: Layout
    asked: bool


def open_folder(
    root: Path,
    *,
    category: str | None = None,
    seed: int = 0,
    layout: str | None = None,
    split: bool = True,
    masks: bool = True,
) -> Category:
    """Opens a folder of images.

    The layouts of `LAYOUTS` are told apart, in `root` or in the folders directly in it, which are categories then.
    Where none is recognised, all images in the folder and below are normal and train, unless some look as if they
    should not.

    Args:
        root: the folder.
        category: the subfolder, where `root` holds several; of class folders the class that is normal.
        seed: places the run of normal test images, where the layout has no split of its own.
        layout: the name of the layout, instead of recognising it; nothing is questioned then. `classes` and `kinds` are
            never recognised, they are asked for.
        split: where the layout has no split but anomalous images, a fifth of the normal ones is kept for the test. It
            is one run of neighbours: these are often alike, and a scattered test set would meet its own twins in
            training. False makes all of them test images, as for evaluating what was trained elsewhere.
        masks: whether masks are paired and checked. Training needs none.

    Raises:
        DatasetError: no such folder, category or layout, no images; images and masks that do not fit together, every
            file concerned being named; or images that would be taken for normal look like masks or defects.
    """
    place = _place(root, category, layout)
    images = place.layout.read(place.folder, masks=masks)
    if not place.asked:
        check_normal(
            [sample.image for sample in _normals(images) if isinstance(sample.image, Path)],
            place.folder,
            own_name=place.layout is FLAT,
        )
    train, test = _split(images, seed) if split else (images.train, (*images.unsplit, *images.test))
    listing = survey(place.folder)
    if not (images.train or images.unsplit or images.test):
        raise DatasetError(_nothing(place, len(listing.images), (*images.left_out, *listing.lines())))
    if split and not train:
        raise DatasetError(
            f"{place.folder}, read as {place.layout.name} ({place.layout.shape}), holds no normal images to train on: "
            "name the folder that holds them, or say with --layout flat that all images in this one are normal"
        )
    left_out = (
        *images.left_out,
        *unused(_without(listing.images, images.apart), (*_normals(images), *images.test), place.folder),
        *listing.lines(),
        *later_pages(listing.images),
    )
    opened = Category(place.name, train, test, layout=place.layout.name, left_out=left_out)
    _log.info("%s", summary(opened, place.folder, images.notes))
    for line in left_out:
        _log.warning("%s: left out: %s", place.folder, line)
    return opened


def folder_categories(root: Path, *, layout: str | None = None) -> tuple[str, ...]:
    """The names that `open_folder` accepts as category, or the folder's own name where there is just one.

    Args:
        root: the folder.
        layout: as for `open_folder`.

    Raises:
        DatasetError: no such folder or layout, a table in it cannot be read, or it is to hold classes and has none.
    """
    if not root.is_dir():
        raise DatasetError(f"{root} is not a folder")
    choices = _choices(layout)
    if choices == (CLASSES,):
        return classes_in(root)
    recognised = _recognised(root, choices)
    return (recognised is None and tuple(categories_in(root, choices))) or (root.resolve().name,)


def categories_in(root: Path, layouts: Sequence[Layout] | None = None) -> Mapping[str, Layout]:
    """The folders directly in `root` that are categories in one of the layouts, by name, in natural order."""
    choices = _choices(None) if layouts is None else layouts
    found = {part.name: _recognised(part, choices) for part in subfolders(root)}
    return {name: layout for name, layout in found.items() if layout is not None}


def product_folders(root: Path, *, layout: str | None = None) -> tuple[str, ...]:
    """The folders in `root` that hold images, each a category to `open_folder`, in natural order.

    Unlike `folder_categories` these are all of them, in a layout or with normal images alone: none is left out unsaid.

    Args:
        root: the folder.
        layout: as for `open_folder`; of class folders these are the classes.

    Raises:
        DatasetError: no such folder or layout, it is one category itself, holds images beside its folders, or none.
    """
    choices = _choices(layout)
    if not root.is_dir():
        raise DatasetError(not_local(root) or f"{root} is not a folder")
    if choices == (CLASSES,):
        return classes_in(root)
    whole = _recognised(root, tuple(choice for choice in choices if choice is not FLAT))
    if whole is not None:
        raise DatasetError(f"{root} is one category ({whole.name}), and no folder of several: train it by itself")
    images = list_images(root)
    beside = [path for path in images if path.parent == root]
    if beside:
        raise DatasetError(
            f"{root} holds {len(beside)} images beside its folders, such as {beside[0].name}, which belong to no "
            "product: move them into a folder, or away"
        )
    with_images = {path.relative_to(root).parts[0] for path in images}
    names = tuple(part.name for part in subfolders(root) if part.name in with_images)
    if not names:
        raise DatasetError(f"{root} holds no folder with images: expected one for each product")
    return names


def layout_named(name: str) -> Layout:
    """The layout of that name.

    Raises:
        DatasetError: if there is none.
    """
    for layout in LAYOUTS:
        if layout.name == name:
            return layout
    raise DatasetError(f"got layout {name!r}, expected one of {', '.join(LAYOUT_NAMES)}")


def _place(root: Path, category: str | None, layout: str | None) -> _Place:
    choices = _choices(layout)
    if not root.is_dir():
        what = "is a file" if root.exists() else "does not exist"
        raise DatasetError(not_local(root) or f"{root} {what}; expected a folder of images")
    if category is not None and (category in ("", ".", "..") or "/" in category or "\\" in category):
        raise DatasetError(f"got category {category!r}, expected the name of one folder in {root}")
    asked = layout is not None
    # `.` and `..` have no name, and a parent that is not theirs.
    named = root if root.name not in ("", "..") else root.resolve()
    if choices == (CLASSES,):
        return _place_of_classes(named, category)
    folder = _subfolder(named, category)
    recognised = _recognised(folder, choices)
    if recognised is not None:
        return _Place(folder, category or folder.resolve().name, recognised, asked=asked)
    found = categories_in(folder, choices)
    if not found and asked:
        raise _not_in(folder, choices[0])
    if not found and look_like_classes(folder):
        raise DatasetError(
            f"{folder} may hold classes, {CLASSES.shape}: if so, {_as_classes(folder)}. If all of its images are "
            "normal, say so (--layout flat)"
        )
    if not found:
        return _Place(folder, category or folder.resolve().name, FLAT, asked=False)
    beside = [path for path in list_images(folder) if path.relative_to(folder).parts[0] not in found]
    if len(found) > 1 or beside:
        more = f" beside {len(beside)} other images" if beside else ""
        kinds = ", ".join(f"{name} ({layout.name})" for name, layout in found.items())
        classes = f"; or, if it holds classes, {_as_classes(folder)}" if look_like_classes(folder) else ""
        raise DatasetError(f"{folder} holds several categories: name one of {kinds}{more}{classes}")
    (name, only), *_ = found.items()
    return _Place(folder / name, name, only, asked=asked)


def _place_of_classes(folder: Path, category: str | None) -> _Place:
    """Class folders: the category is the class that is normal, and no folder that all of its images lie in."""
    if not CLASSES.recognise(folder):
        raise _not_in(folder, CLASSES)
    normal = normal_class(folder, category)
    return _Place(folder, normal, of_class(normal), asked=True)


def _not_in(folder: Path, layout: Layout) -> DatasetError:
    return DatasetError(f"{folder} is not in the layout {layout.name}: expected {layout.shape}")


def _choices(layout: str | None) -> tuple[Layout, ...]:
    """The layouts that a folder may have: the one that was asked for, or all that are recognised."""
    if layout is not None:
        return (layout_named(layout),)
    return tuple(layout for layout in LAYOUTS if not layout.asked_only)


def _as_classes(folder: Path) -> str:
    """How to ask for class folders, for the errors about what may be some."""
    return (
        f"name the normal one of {', '.join(classes_in(folder))} (--layout classes --category NAME, "
        "layout='classes', category=NAME)"
    )


def _recognised(folder: Path, layouts: Sequence[Layout]) -> Layout | None:
    return next((layout for layout in layouts if layout.recognise(folder)), None)


def _subfolder(root: Path, category: str | None) -> Path:
    if category is not None and (root / category).is_dir():
        return root / category
    if category is None or category == root.resolve().name:
        return root
    there = ", ".join(categories_in(root))
    hint = f"there are {there}" if there else f"leave the category out to open {root} itself"
    if look_like_classes(root):
        hint = f"if it holds classes, {_as_classes(root)}"
    raise DatasetError(f"{root} has no folder {category!r}; {hint}")


def _split(images: LayoutImages, seed: int) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    """Training and test images, with the normal ones that the layout leaves open divided between both."""
    normal = images.unsplit
    if not any(sample.anomalous for sample in images.test) or len(normal) < 2:
        return (*images.train, *normal), images.test
    count = max(1, round(_TEST_SHARE * len(normal)))
    start = int(np.random.default_rng(seed).integers(len(normal) - count + 1))
    train = (*normal[:start], *normal[start + count :])
    return (*images.train, *train), (*normal[start : start + count], *images.test)


def _without(files: Sequence[Path], apart: Sequence[Path]) -> Sequence[Path]:
    known = set(apart)
    return [path for path in files if path not in known]


def _normals(images: LayoutImages) -> tuple[Sample, ...]:
    return (*images.train, *images.unsplit)


def _nothing(place: _Place, n_images: int, left_out: Sequence[str]) -> str:
    what = f"; there are {', '.join(left_out)}" if left_out else ""
    got = f"none of the {n_images} images is taken" if n_images else "got no image files"
    return f"{place.folder}: {got}, expected images ({place.layout.shape}){what}"
