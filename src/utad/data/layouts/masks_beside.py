"""Reading folders in which every image has its mask beside it, as KolektorSDD and KolektorSDD2 are.

An image is anomalous where its mask has a mark; so masks are read here even for training.
"""

from __future__ import annotations

from pathlib import Path

from utad.data.image_files import list_images, natural_key, relative_name, subfolders
from utad.data.layouts.layout import GOOD
from utad.data.pairing import Problems, check_sizes
from utad.data.reading import IMAGE_SUFFIXES, read_mask
from utad.errors import ImageReadError
from utad.types import Sample


def holds_pairs(folder: Path, ending: str) -> bool:
    """Whether an image and its mask, `<stem>` and `<stem><ending>`, lie directly in a folder."""
    if not folder.is_dir():
        return False
    stems = {path.stem for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES}
    return any(stem.endswith(ending) and stem.removesuffix(ending) in stems for stem in stems)


def holds_pairs_below(folder: Path, ending: str) -> bool:
    """Whether there are such pairs in a folder or directly in one of its subfolders."""
    return any(holds_pairs(part, ending) for part in (folder, *subfolders(folder)))


def read_pairs(
    part: Path, folder: Path, ending: str, *, masks: bool
) -> tuple[list[Sample], list[Sample], tuple[str, ...]]:
    """The normal and the anomalous images below a folder.

    Args:
        part: the folder to read.
        folder: that names are relative to.
        ending: of the masks' stems.
        masks: whether inconsistencies of the masks are errors; without, images whose mask tells nothing are left out.

    Returns:
        Normal samples, anomalous samples, and what was left out.

    Raises:
        DatasetError: masks are wanted, and some are missing, damaged, of another size or without an image; all of
            them are named.
    """
    problems = Problems()
    files = list_images(part)
    mask_of = {(path.parent, path.stem.removesuffix(ending)): path for path in files if path.stem.endswith(ending)}
    images = [path for path in files if not path.stem.endswith(ending)]
    known = {(path.parent, path.stem) for path in images}
    problems.found += [f"{mask} is a mask without an image" for key, mask in mask_of.items() if key not in known]
    normal: list[Sample] = []
    anomalous: list[Sample] = []
    unknown = 0
    for path in sorted(images, key=lambda path: natural_key(relative_name(path, part))):
        mask = mask_of.get((path.parent, path.stem))
        marked = _marked(path, mask, ending, problems)
        if marked is None:
            unknown += 1
        elif marked:
            anomalous.append(Sample(relative_name(path, folder), path, anomalous=True, defect="defect", mask=mask))
        else:
            normal.append(Sample(relative_name(path, folder), path, anomalous=False, defect=GOOD))
    if masks:
        problems.raise_if_any(part)
    left_out = (
        (f"{unknown} without a mask that can be read, so that it is not known what they show",) if unknown else ()
    )
    return normal, anomalous, left_out


def _marked(image: Path, mask: Path | None, ending: str, problems: Problems) -> bool | None:
    """Whether the mask of an image has a mark; None if that cannot be told."""
    if mask is None:
        problems.found.append(f"{image} has no mask {image.stem}{ending} beside it, though others do")
        return None
    try:
        marked = bool(read_mask(mask).any())
    except ImageReadError as error:
        problems.found.append(str(error))
        return None
    check_sizes(image, mask, problems)
    return marked
