"""What a layout of folders is: how one is recognised, and what is read from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from utad.data.image_files import relative_name
from utad.types import Sample

GOOD = "good"
"""The `defect` of a normal sample."""


@dataclass(frozen=True)
class LayoutImages:
    """What a folder holds, in the words of its layout.

    Attributes:
        train: normal images that the layout itself puts into training.
        test: images that the layout itself puts into the test, and all anomalous ones.
        unsplit: normal images that the layout leaves open: they train, or are test images, as the caller needs.
        left_out: what the layout itself keeps out of all of these, a line for each reason, with its count.
        apart: the files that `left_out` counts, where they would else be taken for files that the layout does not know.
        notes: what else there is to say of what was read, for the line that says how many images there are.
    """

    train: tuple[Sample, ...] = ()
    test: tuple[Sample, ...] = ()
    unsplit: tuple[Sample, ...] = ()
    left_out: tuple[str, ...] = ()
    apart: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()


class Read(Protocol):
    """Reads the images of a folder that is in a layout."""

    def __call__(self, folder: Path, *, masks: bool) -> LayoutImages:
        """The images; without `masks` nothing about masks is checked, since training needs none."""


@dataclass(frozen=True)
class Layout:
    """One way in which folders of images are arranged.

    A further one is a file beside this one, and an entry in `LAYOUTS`.

    Attributes:
        name: that `--layout` takes.
        shape: what it looks like, in one line.
        recognise: whether a folder is one category in this layout.
        read: the images of such a folder.
        asked_only: whether it is taken only where the user names it.
    """

    name: str
    shape: str
    recognise: Callable[[Path], bool]
    read: Read
    asked_only: bool = False


def normal_samples(paths: Iterable[Path], folder: Path) -> tuple[Sample, ...]:
    """Normal samples, named by their paths below `folder`."""
    return tuple(Sample(relative_name(path, folder), path, anomalous=False, defect=GOOD) for path in paths)
