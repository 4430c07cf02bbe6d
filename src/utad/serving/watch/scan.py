"""Looking at a watched folder: which files in it are images to be, and what tells their versions apart."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from utad.data.image_files import is_apart, relative_name
from utad.data.reading import IMAGE_SUFFIXES

_LOGGER = logging.getLogger(__name__)


class FileState(NamedTuple):
    """What changes when a file is written to.

    Attributes:
        size: in bytes.
        modified_ns: time of the last change, in nanoseconds.
    """

    size: int
    modified_ns: int


class Arrival(NamedTuple):
    """One version of one file.

    Attributes:
        name: path below the watched folder, with `/`.
        state: of the file.
    """

    name: str
    state: FileState

    @property
    def key(self) -> bytes:
        """16 bytes that stand for it, since names of millions of images would fill the memory."""
        text = f"{self.name}\0{self.state.size}\0{self.state.modified_ns}"
        return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest()


def is_image_name(name: str) -> bool:
    """Whether a path below the watched folder is that of an image to be scored.

    Hidden names, those that systems keep for themselves, and temporary ones (`~...`, and endings such as `.part` and
    `.tmp`, which are none of an image) are not: whoever writes under such a name renames the file in the end.

    Args:
        name: with `/`.
    """
    file = name.rpartition("/")[2]
    return is_watched(name) and not file.startswith("~") and os.path.splitext(file)[1].lower() in IMAGE_SUFFIXES


def is_watched(name: str) -> bool:
    """Whether a path below the watched folder is neither hidden nor a system's own, nor lies in a folder that is.

    Args:
        name: with `/`.
    """
    return not any(is_apart(part) for part in name.split("/"))


def state_of(path: Path) -> FileState | None:
    """The state of a file, a link's being that of its target; None if there is none that can be looked at."""
    try:
        status = path.stat()
    except OSError:
        return None
    return FileState(status.st_size, status.st_mtime_ns)


def scan(folder: Path, below: Path | None = None, *, told: set[Path] | None = None) -> Iterator[Arrival]:
    """The images in a folder and below it, links followed, each folder once.

    What vanishes meanwhile is passed over; a folder below that cannot be listed is logged.

    Args:
        folder: that is watched.
        below: a folder in it, to look at this alone.
        told: folders that were logged before, to which those of this call are added; they are not logged again.

    Raises:
        OSError: if the folder itself cannot be listed.
    """
    start = folder if below is None else below
    told = set() if told is None else told
    waiting, seen = [start], set[tuple[int, int]]()
    while waiting:
        here = waiting.pop()
        try:
            status = here.stat()
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(here) as entries:
                found = list(entries)
        except OSError as error:
            if here == start:
                raise
            if not isinstance(error, FileNotFoundError) and here not in told:
                told.add(here)
                _LOGGER.warning("%s: cannot list this folder: %s", here, error.strerror or error)
            continue
        for entry in found:
            path = here / entry.name
            if entry.is_dir():
                if not is_apart(entry.name):
                    waiting.append(path)
                continue
            name = relative_name(path, folder)
            if is_image_name(name) and (state := state_of(path)) is not None:
                yield Arrival(name, state)
