"""Reading folders that are split into `train`, `test` and `ground_truth`, as MVTec AD, BTAD and LOCO are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from utad.data.folder_names import MASK_NAMES, is_one_of
from utad.data.image_files import list_images, relative_name, subfolders
from utad.data.layouts.layout import GOOD, LayoutImages, normal_samples
from utad.data.pairing import Problems, pair_masks
from utad.data.suspicion import look_like_masks
from utad.types import Sample

TRUTH = "ground_truth"


class Pairing(Protocol):
    """Finds the masks of the images of one kind."""

    def __call__(
        self, kind: Path, truth: Path, *, complete: bool, problems: Problems
    ) -> Mapping[Path, Path | tuple[Path, ...]]:
        """The mask or masks of each image that has any.

        Args:
            kind: the folder of the images.
            truth: the folder of their masks; it may not exist.
            complete: whether every image needs one, once there are any.
            problems: where what does not fit is noted.
        """


def has_split(folder: Path, normal: str) -> bool:
    """Whether normal images lie in `train/<normal>` or `test/<normal>`."""
    return any((folder / part / normal).is_dir() for part in ("train", "test"))


def one_mask_each(kind: Path, truth: Path, *, complete: bool, problems: Problems) -> Mapping[Path, Path]:
    """The masks of one kind where each image has one file."""
    return pair_masks(
        list_images(kind),
        list_images(truth) if truth.is_dir() else (),
        image_folder=kind,
        mask_folder=truth,
        complete=complete,
        problems=problems,
    )


def read_split(folder: Path, normal: str, *, masks: bool, pair: Pairing = one_mask_each) -> LayoutImages:
    """The images of `train/<normal>` and of every folder in `test`, those in `test/<normal>` first.

    Args:
        folder: of one category.
        normal: the name of the folders of normal images.
        masks: whether masks are paired and checked.
        pair: how the masks of one kind are found.

    Raises:
        DatasetError: images lie where their label would have to be guessed, or do not fit their masks; all are named.
    """
    problems = Problems()
    _check_places(folder, normal, problems, parts=("train", "test", TRUTH) if masks else ("train", "test"))
    kinds = sorted(subfolders(folder / "test"), key=lambda kind: kind.name != normal)  # stable: others keep their order
    beside = [kind for kind in kinds if _are_masks(kind)]
    kinds = [kind for kind in kinds if kind not in beside]
    truths = {truth.name: truth for truth in subfolders(folder / TRUTH)} if masks else {}
    for name, truth in truths.items():
        if name not in {kind.name for kind in kinds}:
            problems.found += [f"{mask} is a mask without an image" for mask in list_images(truth)]
    test: list[Sample] = []
    for kind in kinds:
        anomalous = kind.name != normal
        truth = truths.get(kind.name, folder / TRUTH / kind.name)
        found = pair(kind, truth, complete=anomalous, problems=problems) if masks else {}
        defect = kind.name if anomalous else GOOD
        test += [
            Sample(relative_name(path, folder), path, anomalous, defect=defect, mask=found.get(path))
            for path in list_images(kind)
        ]
    problems.raise_if_any(folder)
    train = folder / "train" / normal
    return LayoutImages(
        normal_samples(list_images(train) if train.is_dir() else (), folder),
        tuple(test),
        left_out=tuple(f"test/{kind.name}: masks are read from {TRUTH} alone" for kind in beside),
    )


def _are_masks(kind: Path) -> bool:
    """Whether a folder in `test` holds masks that somebody put beside the kinds of defect."""
    found = list_images(kind) if is_one_of(kind.name, MASK_NAMES) else ()
    return bool(found) and look_like_masks(found)


def _check_places(folder: Path, normal: str, problems: Problems, *, parts: tuple[str, ...]) -> None:
    """Notes images that lie where their label would have to be guessed."""
    for other in subfolders(folder / "train"):
        if other.name != normal and list_images(other):
            problems.found.append(f"{other} holds images, but only {folder / 'train' / normal} is for training")
    for part in parts:
        if not (folder / part).is_dir():
            continue
        for path in list_images(folder / part):
            if path.parent == folder / part:
                problems.found.append(f"{path} lies directly in {part}, expected it in a folder named for its kind")
