"""Pairing images with their ground truth by exact name, and naming everything that does not fit."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from utad.data.image_files import stem_below
from utad.data.reading import read_size
from utad.errors import DatasetError, ImageReadError

_log = logging.getLogger(__name__)

MASK_ENDING = "_mask"
JPEG_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif")


@dataclass
class Problems:
    """What is wrong with a data set, collected so that one error can name all of it.

    Attributes:
        found: one line per inconsistency, each naming its files.
        incomplete: some anomalous images have a mask and others none.
    """

    found: list[str] = field(default_factory=list)
    incomplete: bool = False

    def raise_if_any(self, root: Path) -> None:
        """Raises one `DatasetError` with everything that was found."""
        if self.found:
            count = f"{len(self.found)} inconsistenc{'y' if len(self.found) == 1 else 'ies'}"
            way_out = "Add the masks that are missing, or move all masks away," if self.incomplete else "Mend the files"
            raise DatasetError(f"{root}: {count}: {'; '.join(self.found)}. {way_out} and try again")


def pair_masks(
    images: Sequence[Path],
    masks: Sequence[Path],
    *,
    image_folder: Path,
    mask_folder: Path,
    complete: bool,
    problems: Problems,
) -> Mapping[Path, Path]:
    """Finds the mask of each image.

    The mask of `<stem>.jpg` is `<stem>_mask.png` or `<stem>.png`, of any image format, at the same place
    below its folder. Stems are compared whole: `1` never takes the mask of `10`.

    Args:
        images: images of one kind of defect.
        masks: all mask files meant for them.
        image_folder: folder the images' stems are relative to.
        mask_folder: folder the masks' stems are relative to.
        complete: whether every image needs a mask once there are any.
        problems: where masks without image, images without mask, doubles and wrong sizes are noted.

    Returns:
        The mask of each image that has exactly one.
    """
    lossy = [mask for mask in masks if mask.suffix.lower() in JPEG_SUFFIXES]
    if lossy:
        _log.warning(
            "%d masks in %s are JPEG, which leaves grey edges: pixels above half of the brightest are taken for "
            "anomalous; PNG would be exact",
            len(lossy),
            mask_folder,
        )
    by_stem = _unique_stems(images, image_folder, problems)
    claims: dict[str, list[Path]] = defaultdict(list)
    for mask in masks:
        stem = _claimed(stem_below(mask, mask_folder), by_stem)
        if stem is None:
            problems.found.append(f"{mask} is a mask without an image in {image_folder}")
        else:
            claims[stem].append(mask)
    pairs: dict[Path, Path] = {}
    for stem, image in by_stem.items():
        claimed = claims.get(stem, [])
        if len(claimed) > 1:
            problems.found.append(f"{image} has {len(claimed)} masks: {', '.join(map(str, claimed))}")
        elif claimed:
            check_sizes(image, claimed[0], problems)
            pairs[image] = claimed[0]
        elif masks and complete:
            problems.found.append(f"{image} has no mask in {mask_folder}, though others there do")
            problems.incomplete = True
    return pairs


def _unique_stems(images: Sequence[Path], folder: Path, problems: Problems) -> dict[str, Path]:
    by_stem: dict[str, list[Path]] = defaultdict(list)
    for image in images:
        by_stem[stem_below(image, folder)].append(image)
    for same in by_stem.values():
        if len(same) > 1:
            problems.found.append(f"{' and '.join(map(str, same))} have the same name but for the ending")
    return {stem: same[0] for stem, same in by_stem.items()}


def _claimed(mask_stem: str, stems: Mapping[str, Path]) -> str | None:
    """The image a mask belongs to; `1_mask` means image `1` before it means an image called `1_mask`."""
    shortened = mask_stem.removesuffix(MASK_ENDING)
    if shortened in stems:
        return shortened
    return mask_stem if mask_stem in stems else None


def check_sizes(image: Path, mask: Path, problems: Problems) -> None:
    """Notes a mask of another size than its image, and one that cannot be read."""
    try:
        image_size = read_size(image)
    except ImageReadError:
        # A damaged image is reported, or skipped, where images are read.
        return
    try:
        mask_size = read_size(mask)
    except ImageReadError as error:
        problems.found.append(str(error))
        return
    if mask_size != image_size:
        problems.found.append(
            f"{mask} is {mask_size[0]} x {mask_size[1]} (H x W) but {image} is {image_size[0]} x {image_size[1]}"
        )
