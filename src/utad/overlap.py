"""An output folder and the inputs lie apart, whatever links, `..` or letter case make of their names."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

from utad.errors import OutputError

_Place = tuple[int, int]
"""What a folder is to the file system, device and inode: the same by every name that leads to it."""


def refuse_overlap(output: Path, inputs: Iterable[Path]) -> None:
    """Refuses an output folder that holds an input or lies in one; links count as what they lead to.

    What is written beside an image can overwrite it or its mask, and is taken for an image by the next command.

    Args:
        output: the folder to write to; it need not exist.
        inputs: images, masks, and folders of them; what does not exist is passed over.

    Raises:
        OutputError: naming both.
    """
    # By its real path: `new/..` is not there yet, but is once `new` is made.
    place, around, around_of = _place(os.path.realpath(output)), _around(output), cache(_around)
    for given in inputs:
        for path in _reached(given):
            folder = path.is_dir()
            if folder and _place(path) in around:
                raise OutputError(_refusal(output, "lies in", given, path))
            # A link lies where it stands, and its target elsewhere: neither may be written over.
            holders = around_of(path.parent) | (around_of(path) if folder or path.is_symlink() else frozenset())
            if place is not None and place in holders:
                raise OutputError(_refusal(output, "holds", given, path))


def _reached(path: Path) -> Iterator[Path]:
    """A path, and below a folder every folder and every link that reading it would follow."""
    if not path.is_dir():
        if os.path.lexists(path):
            yield path
        return
    waiting, seen = [path], set[_Place | None]()
    while waiting:
        folder = waiting.pop()
        place = _place(folder)
        if place in seen:
            continue
        seen.add(place)
        yield folder
        # A folder that cannot be listed is named where it is read.
        with suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir():
                    waiting.append(Path(entry.path))
                elif entry.is_symlink():
                    yield Path(entry.path)


def _place(path: Path | str) -> _Place | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _around(path: Path) -> frozenset[_Place | None]:
    """What a path leads to and all that this lies in, as far as they exist."""
    real = Path(os.path.realpath(path))
    return frozenset(_place(folder) for folder in (real, *real.parents)) - {None}


def _refusal(output: Path, how: str, given: Path, path: Path) -> str:
    through = "" if path == given else f", by way of {path}"
    return (
        f"the output folder {output} {how} the input {given}{through}: images and masks could be overwritten, or "
        "results be read as images. Choose a folder apart from the inputs"
    )
