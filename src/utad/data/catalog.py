"""Data by name or by path: one place that knows every data set."""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from utad.data.elpv import open_elpv
from utad.data.folder import categories_in, folder_categories, layout_named, open_folder, product_folders
from utad.data.layouts.mvtec import MVTEC_CATEGORIES
from utad.data.local import not_local
from utad.data.one_class import CLASSES, DIGITS, open_mnist_5k, open_torchvision
from utad.data.textures import TEXTURES, open_texture
from utad.errors import DatasetError
from utad.types import Category

DATASET_NAMES: tuple[str, ...] = (
    *("mvtec", "visa", "mnist", "fashion-mnist", "cifar10", "mnist-5k"),
    *("elpv-mono", "elpv-poly", "textures", *TEXTURES),
)
"""Every name that `open_category` knows."""

_ELPV: dict[str, Literal["mono", "poly"]] = {"elpv-mono": "mono", "elpv-poly": "poly"}
_UNPACKED = {"mvtec": ("mvtec", "mvtec_anomaly_detection"), "visa": ("visa", "VisA")}
_SOURCES = {
    "mvtec": "https://www.mvtec.com/company/research/datasets/mvtec-ad",
    "visa": "https://github.com/amazon-science/spot-diff",
}


def categories_of(data: str | Path, *, root: Path | None = None, layout: str | None = None) -> tuple[str, ...]:
    """The categories of a data set, each of which `open_category` opens.

    Args:
        data: one of `DATASET_NAMES`, or a path.
        root: the folder with the downloaded data; MVTec AD and VisA are asked what is there.
        layout: of a folder, as for `open_folder`; the categories of class folders are their classes.

    Raises:
        DatasetError: unknown name, or nothing at the path.
    """
    name = _known(data)
    if name is None:
        return folder_categories(Path(data), layout=layout)
    if name == "textures":
        return TEXTURES
    if name == "mnist-5k":
        return DIGITS
    if name in CLASSES:
        return CLASSES[name]
    if name == "mvtec" and root is None:
        return MVTEC_CATEGORIES
    if name in _UNPACKED:
        return folder_categories(_unpacked(name, root))
    return (name,)


def products_of(data: str | Path, *, root: Path | None = None, layout: str | None = None) -> tuple[str, ...]:
    """The categories of a data set, or of a folder all folders in it that hold images; `open_category` opens each.

    Args:
        data: one of `DATASET_NAMES`, or a path.
        root: as for `categories_of`.
        layout: as for `open_folder`.

    Raises:
        DatasetError: unknown name, or the folder is none of several products.
    """
    return product_folders(Path(data), layout=layout) if _known(data) is None else categories_of(data, root=root)


def open_category(
    data: str | Path,
    *,
    category: str | None = None,
    root: Path | None = None,
    seed: int = 0,
    download: bool = False,
    layout: str | None = None,
    split: bool = True,
    masks: bool = True,
) -> Category:
    """Opens one category of a data set.

    Args:
        data: one of `DATASET_NAMES`, or a path. A name stays a name though a folder of that name exists;
            write `./mnist` for the folder.
        category: which one; may be left out where there is only one.
        root: the folder with the data of `mvtec`, `visa`, `mnist`, `fashion-mnist` and `cifar10`; for ELPV,
            in place of the installed package.
        seed: for data sets that are split or cut by chance.
        download: let torchvision fetch `mnist`, `fashion-mnist` or `cifar10` into `root`.
        layout: of a folder, as for `open_folder`; data sets known by name have theirs.
        split: as for `open_folder`.
        masks: as for `open_folder`.

    Raises:
        DatasetError: unknown name or category, or the data is missing or inconsistent.
        MissingDependencyError: the data comes with a package that is not installed.
    """
    name = _known(data)
    if name is None:
        return open_folder(Path(data), category=category, seed=seed, layout=layout, split=split, masks=masks)
    if layout not in (None, name):
        raise DatasetError(f"got layout {layout!r} for {name}, which has its own; write ./{name} for a folder")
    if name in _UNPACKED:
        return open_folder(_unpacked(name, root), category=category, seed=seed, layout=name, split=split, masks=masks)
    choices = categories_of(name)
    if category is None and len(choices) == 1:
        category = choices[0]
    if category not in choices:
        got = "holds several categories" if category is None else f"has no category {category!r}"
        raise DatasetError(f"{name} {got}: name one of {', '.join(choices)}")
    if name in _ELPV:
        return open_elpv(_ELPV[name], seed=seed, root=root)
    if name == "mnist-5k":
        return open_mnist_5k(category, seed=seed)
    if name in CLASSES:
        return open_torchvision(name, category, root=_needed(name, root), download=download)
    return open_texture(category, seed=seed)


def folders_of(data: str | Path, *, root: Path | None = None) -> tuple[Path, ...]:
    """The folders that `open_category` reads of, without reading them; none for what comes with a package.

    Raises:
        DatasetError: unknown name, or nothing at the path.
    """
    if _known(data) is None:
        return (Path(data),)
    return (root,) if root is not None else ()


def _known(data: str | Path) -> str | None:
    """The name of a data set, or None for a path that exists."""
    text = str(data)
    if text in DATASET_NAMES:
        return text
    if text and Path(text).exists():
        return None
    elsewhere = not_local(text)
    if elsewhere is not None:
        raise DatasetError(elsewhere)
    names = ", ".join(DATASET_NAMES)
    if os.sep in text or "/" in text:
        raise DatasetError(f"{text} does not exist; expected a folder of images, or one of {names}")
    near = get_close_matches(text.lower().replace("_", "-"), DATASET_NAMES, n=3, cutoff=0.5)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    raise DatasetError(f"got data {text!r}, which is neither a folder nor one of {names}{hint}")


def _needed(name: str, root: Path | None) -> Path:
    if root is None:
        raise DatasetError(f"{name} needs the folder that holds its files: pass root (--root DIR)")
    return root


def _unpacked(name: str, root: Path | None) -> Path:
    """The folder of MVTec AD or VisA: `root`, or what their archives unpack to in it."""
    root = _needed(name, root)
    for folder in (root, *(root / part for part in _UNPACKED[name])):
        if categories_in(folder, [layout_named(name)]):
            return folder
    raise DatasetError(f"{root}: {name} is not there; download it from {_SOURCES[name]} and unpack it there")
