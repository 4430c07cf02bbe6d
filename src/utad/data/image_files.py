"""Finding image files: in natural order, on any file system, without running in circles."""

from __future__ import annotations

import logging
import os
import re
import unicodedata
from pathlib import Path, PurePosixPath, PureWindowsPath

from utad.data.reading import IMAGE_SUFFIXES
from utad.errors import DatasetError

_log = logging.getLogger(__name__)


def list_images(folder: Path) -> tuple[Path, ...]:
    """All image files in a folder and below it, in natural order.

    Hidden files and folders, and files whose ending is not one of `IMAGE_SUFFIXES`, are left out. Links are
    followed; a folder that is reached twice is listed once.

    Raises:
        DatasetError: a folder cannot be listed.
    """
    found: list[Path] = []
    _collect(folder, found, seen=set())
    return tuple(sorted(found, key=lambda path: natural_key(relative_name(path, folder))))


def subfolders(folder: Path) -> tuple[Path, ...]:
    """The visible folders directly in a folder, in natural order; empty if it is not a folder."""
    if not folder.is_dir():
        return ()
    names = [entry.name for entry in _entries(folder) if entry.is_dir() and not entry.name.startswith(".")]
    return tuple(folder / name for name in sorted(names, key=natural_key))


def natural_key(name: str) -> tuple[tuple[tuple[int, int, str], ...], str]:
    """A sort key by which `2.png` comes before `10.png`; the name itself settles ties."""
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    key = tuple((0, int(part), "") if part[0] in "0123456789" else (1, 0, part) for part in parts)
    return key, name


def relative_name(path: Path, root: Path) -> str:
    """The path below `root`, with `/` on every system."""
    return path.relative_to(root).as_posix()


def stem_below(path: Path, folder: Path) -> str:
    """The path below `folder` without its ending, by which an image and its mask find each other.

    Names are compared in one Unicode form, because archives made on a Mac store accents in another.
    """
    return unicodedata.normalize("NFC", path.relative_to(folder).with_suffix("").as_posix())


def inside(root: Path, relative: str, *, source: Path) -> Path:
    """The file that a table names, provided that it is written as a path below the table's root.

    Args:
        root: the folder that the entries are relative to.
        relative: the entry, with either kind of slash.
        source: the table, for the error.

    Raises:
        DatasetError: the entry is empty, absolute or climbs upwards.
    """
    entry = PurePosixPath(relative.replace("\\", "/"))
    drive = PureWindowsPath(relative).drive
    if entry.is_absolute() or drive or not entry.parts or ".." in entry.parts:
        raise DatasetError(f"{source}: the entry {relative!r} points outside {root}; expected a path below it")
    return root / entry


def _collect(folder: Path, found: list[Path], *, seen: set[tuple[int, int]]) -> None:
    status = folder.stat()
    if (status.st_dev, status.st_ino) in seen:
        _log.debug("%s is a link to a folder already listed", folder)
        return
    seen.add((status.st_dev, status.st_ino))
    for entry in sorted(_entries(folder), key=lambda entry: natural_key(entry.name)):
        path = folder / entry.name
        if entry.name.startswith("."):
            _log.debug("%s is hidden: ignored", path)
        elif entry.is_dir():
            _collect(path, found, seen=seen)
        elif path.suffix.lower() in IMAGE_SUFFIXES:
            # Dead links too: reading them says what is wrong, leaving them out would say nothing.
            found.append(path)
        else:
            _log.debug("%s is not an image file: ignored", path)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise DatasetError(f"{folder}: cannot list this folder: {error.strerror or error}") from error
