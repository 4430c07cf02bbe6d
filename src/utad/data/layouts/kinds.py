"""The layout `normal/` beside one folder for each kind of defect, as in the folder `test` of MVTec AD."""

from __future__ import annotations

from pathlib import Path

from utad.data.folder_names import MASK_NAMES, is_one_of
from utad.data.image_files import list_images, relative_name, subfolders
from utad.data.layouts.labelled import mask_folder, normal_folder
from utad.data.layouts.layout import Layout, LayoutImages, normal_samples
from utad.data.layouts.split import one_mask_each
from utad.data.pairing import Problems
from utad.types import Sample


def _recognise(folder: Path) -> bool:
    return normal_folder(folder) is not None


def _read(folder: Path, *, masks: bool) -> LayoutImages:
    normal = normal_folder(folder)
    assert normal is not None
    truth = mask_folder(folder) if masks else None
    problems = Problems()
    test: list[Sample] = []
    for kind in subfolders(folder):
        if kind == normal or is_one_of(kind.name, MASK_NAMES):
            continue
        pairs = one_mask_each(kind, truth / kind.name, complete=True, problems=problems) if truth is not None else {}
        test += [
            Sample(relative_name(path, folder), path, True, defect=kind.name, mask=pairs.get(path))
            for path in list_images(kind)
        ]
    problems.raise_if_any(folder)
    return LayoutImages(test=tuple(test), unsplit=normal_samples(list_images(normal), folder))


# Never guessed: beside normal/ there may lie anything.
LAYOUT = Layout(
    "kinds",
    "normal/ (or good, ok) beside one folder for each kind of defect, and masks/<kind> if there are any",
    _recognise,
    _read,
    asked_only=True,
)
