"""The folder layout of MVTec AD: `train/good`, `test/<defect>`, `ground_truth/<defect>/<stem>_mask.png`."""

from __future__ import annotations

from pathlib import Path

from utad.data.image_files import list_images, relative_name, subfolders
from utad.data.pairing import Problems, pair_masks
from utad.errors import DatasetError
from utad.types import Category, Sample

MVTEC_CATEGORIES: tuple[str, ...] = (
    *("bottle", "cable", "capsule", "carpet", "grid", "hazelnut", "leather", "metal_nut"),
    *("pill", "screw", "tile", "toothbrush", "transistor", "wood", "zipper"),
)
"""The 15 categories of MVTec AD."""

GOOD = "good"


def is_mvtec(folder: Path) -> bool:
    """Whether a folder is one category in this layout."""
    return (folder / "train" / GOOD).is_dir()


def mvtec_categories(root: Path) -> tuple[str, ...]:
    """The names of the folders directly in `root` that are categories in this layout, in natural order."""
    return tuple(folder.name for folder in subfolders(root) if is_mvtec(folder))


def open_mvtec(root: Path, *, category: str | None = None) -> Category:
    """Opens one category.

    Args:
        root: the folder of one category, or a folder that holds several.
        category: which one, where there are several.

    Returns:
        Training images from `train/good`; test images from `test`, those in `good` first, `defect` being the
        name of their folder. Names are relative to the category's folder.

    Raises:
        DatasetError: no such category, none named where there are several, no training images, or images and
            masks do not fit together; every file concerned is named.
    """
    folder = _category_folder(root, category)
    problems = Problems()
    train = tuple(
        Sample(relative_name(path, folder), path, anomalous=False, defect=GOOD)
        for path in list_images(folder / "train" / GOOD)
    )
    _check_places(folder, problems)
    test = _test_samples(folder, problems)
    problems.raise_if_any(folder)
    if not train:
        raise DatasetError(f"{folder / 'train' / GOOD}: got no images, expected the normal images for training")
    return Category(category or folder.resolve().name, train, test)


def _category_folder(root: Path, category: str | None) -> Path:
    if category is not None and is_mvtec(root / category):
        return root / category
    if is_mvtec(root) and category in (None, root.resolve().name):
        return root
    found = mvtec_categories(root)
    if category is None and len(found) == 1:
        return root / found[0]
    if category is None and found:
        raise DatasetError(f"{root} holds several categories: name one of {', '.join(found)}")
    listed = f"there are {', '.join(found)}" if found else "expected a folder with train/good in it"
    wanted = "no category" if category is None else f"no category {category!r}"
    raise DatasetError(f"{root}: {wanted}; {listed}")


def _check_places(folder: Path, problems: Problems) -> None:
    """Notes images that lie where their label would have to be guessed."""
    for other in subfolders(folder / "train"):
        if other.name != GOOD and list_images(other):
            problems.found.append(f"{other} holds images, but only {folder / 'train' / GOOD} is for training")
    for part in ("train", "test", "ground_truth"):
        if not (folder / part).is_dir():
            continue
        for path in list_images(folder / part):
            if path.parent == folder / part:
                problems.found.append(f"{path} lies directly in {part}, expected it in a folder named for its kind")


def _test_samples(folder: Path, problems: Problems) -> tuple[Sample, ...]:
    kinds = subfolders(folder / "test")
    truths = {truth.name: truth for truth in subfolders(folder / "ground_truth")}
    for name, truth in truths.items():
        if name not in {kind.name for kind in kinds}:
            problems.found += [f"{mask} is a mask without an image" for mask in list_images(truth)]
    samples: list[Sample] = []
    for kind in sorted(kinds, key=lambda kind: kind.name != GOOD):  # stable: the others keep their order
        images = list_images(kind)
        truth = truths.get(kind.name, folder / "ground_truth" / kind.name)
        masks = pair_masks(
            images,
            list_images(truth) if truth.is_dir() else (),
            image_folder=kind,
            mask_folder=truth,
            complete=kind.name != GOOD,
            problems=problems,
        )
        for path in images:
            name = relative_name(path, folder)
            samples.append(Sample(name, path, kind.name != GOOD, defect=kind.name, mask=masks.get(path)))
    return tuple(samples)
