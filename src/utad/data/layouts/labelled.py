"""The layout `normal/` beside `abnormal/`, by whichever of their names, with or without masks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from utad.data.folder_names import ANOMALOUS_NAMES, MASK_NAMES, NORMAL_NAMES, is_one_of
from utad.data.image_files import list_images, relative_name, stem_below, subfolders
from utad.data.layouts.layout import Layout, LayoutImages, normal_samples
from utad.data.pairing import Problems, pair_masks
from utad.errors import DatasetError
from utad.types import Sample


def normal_folder(folder: Path) -> Path | None:
    """The one subfolder that is named for normal images; None if there is none.

    Raises:
        DatasetError: there are several.
    """
    return _one(folder, NORMAL_NAMES)


def mask_folder(folder: Path) -> Path | None:
    """The one subfolder that is named for masks; None if there is none.

    Raises:
        DatasetError: there are several.
    """
    return _one(folder, MASK_NAMES)


def anomalous_samples(kind: Path, folder: Path, *, masks: Path | None, problems: Problems) -> tuple[Sample, ...]:
    """The images of a folder of anomalous ones; a folder below it, if there is one, names the kind of defect.

    Args:
        kind: the folder of anomalous images.
        folder: that names are relative to.
        masks: the folder of their masks; None where masks are not wanted.
        problems: where masks that do not fit are noted.
    """
    images = list_images(kind)
    own = masks / kind.name if masks is not None and (masks / kind.name).is_dir() else masks
    pairs: Mapping[Path, Path] = {}
    if own is not None:
        pairs = pair_masks(
            images, list_images(own), image_folder=kind, mask_folder=own, complete=True, problems=problems
        )
    samples = []
    for path in images:
        below = Path(stem_below(path, kind)).parent.as_posix()
        defect = "" if below == "." else below
        samples.append(Sample(relative_name(path, folder), path, True, defect=defect, mask=pairs.get(path)))
    return tuple(samples)


def _recognise(folder: Path) -> bool:
    return any(is_one_of(part.name, (*NORMAL_NAMES, *ANOMALOUS_NAMES)) for part in subfolders(folder))


def _read(folder: Path, *, masks: bool) -> LayoutImages:
    normal, anomalous = normal_folder(folder), _one(folder, ANOMALOUS_NAMES)
    problems = Problems()
    samples: tuple[Sample, ...] = ()
    if anomalous is not None:
        of_masks = mask_folder(folder) if masks else None
        samples = anomalous_samples(anomalous, folder, masks=of_masks, problems=problems)
    problems.raise_if_any(folder)
    return LayoutImages(test=samples, unsplit=normal_samples(list_images(normal), folder) if normal is not None else ())


def _one(folder: Path, names: Collection[str]) -> Path | None:
    found = [part for part in subfolders(folder) if is_one_of(part.name, names)]
    if len(found) > 1:
        raise DatasetError(
            f"{folder} has both {' and '.join(part.name for part in found)}, which mean the same; keep one of them"
        )
    return found[0] if found else None


LAYOUT = Layout(
    "labelled",
    "normal/ (or good, ok) beside abnormal/ (or anomalous, bad, ng, ko, defect, ...), and masks/ if there are any",
    _recognise,
    _read,
)
