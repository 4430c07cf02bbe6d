"""Class folders, `train/<class>` and `test/<class>`: one class is normal, all others of `test` are anomalous.

They are how torchvision's `ImageFolder` reads classification data. The category is no folder here but a class, so that
these are read for one: `of_class`.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from utad.data.image_files import list_images, relative_name, subfolders
from utad.data.layouts.layout import Layout, LayoutImages, normal_samples
from utad.data.pairing import Problems
from utad.errors import DatasetError
from utad.types import Sample

_PARTS = ("train", "test")


def classes_in(folder: Path) -> tuple[str, ...]:
    """The classes that can be the normal one, since they lie in `train` and in `test`, in natural order.

    Raises:
        DatasetError: there is none.
    """
    train, test = (_names(folder / part) for part in _PARTS)
    if not set(train) & set(test):
        raise DatasetError(f"{folder} has no class in both train and test: expected {LAYOUT.shape}")
    return tuple(name for name in train if name in test)


def look_like_classes(folder: Path) -> bool:
    """Whether a folder may well be one of class folders: several classes, of which one at least is in both parts."""
    train, test = (set(_names(folder / part)) for part in _PARTS)
    return bool(train & test) and len(train | test) > 1


def normal_class(folder: Path, asked: str | None) -> str:
    """The class that is normal: the one that was asked for, or the only one there is to train on.

    Raises:
        DatasetError: there is no such class, or none is named of several; those that are there are listed.
    """
    train, test = (_names(folder / part) for part in _PARTS)
    there = train or test
    if asked is None and len(there) == 1:
        return there[0]
    if asked is None:
        raise DatasetError(f"{folder} holds several classes: name the normal one as category, of {', '.join(there)}")
    if asked not in (*train, *test):
        raise DatasetError(f"{folder} has no class {asked!r}; there are {', '.join(there)}")
    return asked


def of_class(normal: str) -> Layout:
    """The layout with one class as the normal one."""
    return replace(LAYOUT, read=partial(_read, normal=normal))


def _recognise(folder: Path) -> bool:
    return any(_names(folder / part) for part in _PARTS)


def _read(folder: Path, *, masks: bool, normal: str | None) -> LayoutImages:  # noqa: ARG001 - there are none
    """The images of one class in `train`, and all of `test`, those of the normal class first.

    Raises:
        DatasetError: images lie directly in `train` or `test`; the normal class is missing in one of these though
            other classes are there, or a class that is needed holds no images. All are named.
    """
    normal = normal_class(folder, normal)
    problems = Problems()
    train, test = (_names(folder / part) for part in _PARTS)
    for part, names in zip(_PARTS, (train, test), strict=True):
        _check(folder / part, names, normal, problems)
    learned = list_images(folder / "train" / normal) if normal in train else ()
    if normal in train and not learned:
        problems.found.append(f"{folder / 'train' / normal} holds no images")
    tested: list[Sample] = []
    for name in sorted(test, key=lambda name: name != normal):  # stable: others keep their order
        found = list_images(folder / "test" / name)
        if not found:
            problems.found.append(f"{folder / 'test' / name} holds no images")
        tested += (
            normal_samples(found, folder)
            if name == normal
            else [Sample(relative_name(path, folder), path, True, defect=name) for path in found]
        )
    problems.raise_if_any(folder)
    others = [path for name in train if name != normal for path in list_images(folder / "train" / name)]
    return LayoutImages(
        normal_samples(learned, folder),
        tuple(tested),
        left_out=(f"{len(others)} images of other classes in train",) if others else (),
        apart=tuple(others),
        notes=(*_only("test", test, train), *_only("train", train, test)),
    )


def _check(part: Path, names: tuple[str, ...], normal: str, problems: Problems) -> None:
    """Notes images of which the class is not known, and a part that has other classes than the normal one alone."""
    direct = [path for path in list_images(part) if path.parent == part] if part.is_dir() else []
    problems.found += [f"{path} lies directly in {part.name}, expected it in a folder of its class" for path in direct]
    if names and normal not in names:
        problems.found.append(f"{part} has no folder of the normal class {normal!r}, it has {', '.join(names)}")


def _only(part: str, names: tuple[str, ...], others: tuple[str, ...]) -> tuple[str, ...]:
    """Which classes are in one part alone, which is fine for those that are not normal."""
    alone = [name for name in names if name not in others]
    return (f"in {part} alone: {', '.join(alone)}",) if alone and others else ()


def _names(part: Path) -> tuple[str, ...]:
    return tuple(folder.name for folder in subfolders(part))


# Never guessed: a folder with train/good and test/good has classes too.
LAYOUT = Layout(
    "classes",
    "train/<class>, test/<class>, of which one is normal and the others of test are anomalous",
    _recognise,
    partial(_read, normal=None),
    asked_only=True,
)
