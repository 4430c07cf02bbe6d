"""Opening a folder of the user's own images, whichever of the known layouts it has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from utad.data.image_files import list_images, relative_name, stem_below
from utad.data.mvtec import GOOD, is_mvtec, mvtec_categories, open_mvtec
from utad.data.pairing import Problems, pair_masks
from utad.data.visa import is_visa, open_visa, visa_categories
from utad.errors import DatasetError
from utad.types import Category, Sample

_NORMAL = "normal"
_ABNORMAL = ("abnormal", "anomalous")
# Where one of these stands without its partner, taking all images for normal would train on defects.
_TELLING = (*_ABNORMAL, "test", "ground_truth")
_TEST_SHARE = 0.2


def open_folder(root: Path, *, category: str | None = None, seed: int = 0) -> Category:
    """Opens a folder of images.

    These layouts are told apart, in this order:

    1. VisA: `split_csv/1cls.csv`.
    2. MVTec AD: `train/good`, `test/<defect>`, `ground_truth/<defect>`, in `root` or in `root/<category>`.
    3. `normal/` beside `abnormal/` (or `anomalous/`), with or without `masks/`. One run of neighbouring
       normal images, a fifth of them, is kept for the test: neighbours are often alike, and a scattered test
       set would meet its own twins in training. Without `abnormal/` all normal images train.
    4. Anything else: all images in the folder and below are normal and train; there is no test.

    Args:
        root: the folder.
        category: the subfolder or the category of the table, where `root` holds several.
        seed: places the run of normal test images of layout 3.

    Raises:
        DatasetError: no such folder or category, no images, half of a layout, or images and masks that do not
            fit together; every file concerned is named.
    """
    if not root.is_dir():
        what = "is a file" if root.exists() else "does not exist"
        raise DatasetError(f"{root} {what}; expected a folder of images")
    if category is not None and (category in ("", ".", "..") or "/" in category or "\\" in category):
        raise DatasetError(f"got category {category!r}, expected the name of one folder in {root}")
    if is_visa(root):
        return open_visa(root, category=category)
    if is_mvtec(root) or mvtec_categories(root):
        return open_mvtec(root, category=category)
    folder = _subfolder(root, category)
    if is_mvtec(folder) or mvtec_categories(folder):
        return open_mvtec(folder)
    name = category or folder.resolve().name
    if (folder / _NORMAL).is_dir():
        return _open_normal(folder, name, seed)
    telling = [part for part in _TELLING if (folder / part).is_dir()]
    if telling:
        raise DatasetError(
            f"{folder} has {' and '.join(telling)} but neither train/good nor normal; "
            "put the normal images into one of these"
        )
    return Category(name, _normal_samples(list_images(folder), folder))


def folder_categories(root: Path) -> tuple[str, ...]:
    """The names that `open_folder` accepts as category, or the folder's own name where there is just one.

    Raises:
        DatasetError: no such folder, or a table in it cannot be read.
    """
    if not root.is_dir():
        raise DatasetError(f"{root} is not a folder")
    if is_visa(root):
        return visa_categories(root)
    return (not is_mvtec(root) and mvtec_categories(root)) or (root.resolve().name,)


def _subfolder(root: Path, category: str | None) -> Path:
    if category is not None and (root / category).is_dir():
        return root / category
    if category is None or category == root.resolve().name:
        return root
    raise DatasetError(f"{root} has no folder {category!r}; leave the category out to open {root} itself")


def _open_normal(folder: Path, name: str, seed: int) -> Category:
    normal = _normal_samples(list_images(folder / _NORMAL), folder)
    abnormal = [folder / part for part in _ABNORMAL if (folder / part).is_dir()]
    if len(abnormal) > 1:
        raise DatasetError(f"{folder} has both {' and '.join(_ABNORMAL)}; keep one")
    if not abnormal:
        return Category(name, normal)
    problems = Problems()
    anomalous = _abnormal_samples(folder, abnormal[0], problems)
    problems.raise_if_any(folder)
    if len(normal) < 2:
        raise DatasetError(f"{folder / _NORMAL}: got 1 image, expected at least 2: one trains, one tests")
    count = max(1, round(_TEST_SHARE * len(normal)))
    start = int(np.random.default_rng(seed).integers(len(normal) - count + 1))
    train = (*normal[:start], *normal[start + count :])
    return Category(name, train, (*normal[start : start + count], *anomalous))


def _normal_samples(paths: Sequence[Path], folder: Path) -> tuple[Sample, ...]:
    if not paths:
        raise DatasetError(f"{folder}: got no image files, expected normal images")
    return tuple(Sample(relative_name(path, folder), path, anomalous=False, defect=GOOD) for path in paths)


def _abnormal_samples(folder: Path, abnormal: Path, problems: Problems) -> tuple[Sample, ...]:
    images = list_images(abnormal)
    mask_folder = folder / "masks"
    masks = pair_masks(
        images,
        list_images(mask_folder) if mask_folder.is_dir() else (),
        image_folder=abnormal,
        mask_folder=mask_folder,
        complete=True,
        problems=problems,
    )
    samples = []
    for path in images:
        # The folder below `abnormal`, if there is one, names the kind of defect.
        kind = Path(stem_below(path, abnormal)).parent.as_posix()
        defect = "" if kind == "." else kind
        samples.append(Sample(relative_name(path, folder), path, True, defect=defect, mask=masks.get(path)))
    return tuple(samples)
