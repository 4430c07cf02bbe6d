"""Finding image files: in natural order, on any file system, without running in circles."""

from __future__ import annotations

import logging
import os
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath

from utad.data.folder_names import SYSTEM_NAMES, is_one_of
from utad.data.reading import IMAGE_SUFFIXES
from utad.errors import DatasetError

_log = logging.getLogger(__name__)

UNREAD_SUFFIXES: tuple[str, ...] = (
    *(".heic", ".heif", ".avif", ".jxl", ".jp2", ".j2k", ".jpx", ".jpf", ".gif", ".svg", ".psd", ".exr", ".hdr"),
    *(".npy", ".npz", ".dcm", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".raw", ".pdf", ".mp4", ".avi", ".mov"),
    *(".hif", ".tga", ".pnm", ".pam", ".ico", ".pcx", ".eps", ".xcf", ".fits", ".orf", ".rw2", ".raf", ".mkv", ".webm"),
    *(".zip", ".tar", ".gz", ".tgz", ".7z", ".rar"),
)
"""Endings, in lower case, of files that may well hold pictures, and are not read."""

_NO_PICTURES = (
    *(".txt", ".md", ".rst", ".log", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".toml", ".ini"),
    *(".cfg", ".html", ".htm", ".doc", ".docx", ".odt", ".xls", ".xlsx", ".ods", ".py", ".ipynb", ".sh", ".bat", ".m"),
    *(".db", ".lnk", ".url", ".md5", ".sha256", ".bib"),
)
"""Endings, in lower case, of what lies beside images and is none: notes, tables, annotations, a system's own files."""

_NO_PICTURES_BY_NAME = (
    *("license", "licence", "readme", "copying", "notice", "authors"),
    *("changelog", "makefile", "version"),
)
_KINDS_NAMED = 5


@dataclass(frozen=True)
class Listing:
    """What lies in a folder and below it.

    Attributes:
        images: the image files, in natural order.
        left_out: how many files that may be images are not among them, by the reason.
        others: how many files there are of which nothing is known, by their ending.
    """

    images: tuple[Path, ...]
    left_out: Counter[str] = field(default_factory=Counter)
    others: Counter[str] = field(default_factory=Counter)

    def lines(self) -> tuple[str, ...]:
        """What was left out, one line for each reason."""
        known = tuple(f"{count} {reason}" for reason, count in sorted(self.left_out.items()))
        if not self.others:
            return known
        kinds = [f"{ending} {count}" for ending, count in self.others.most_common(_KINDS_NAMED)]
        more = ", ..." if len(self.others) > len(kinds) else ""
        return (*known, f"{self.others.total()} whose ending is not that of an image ({', '.join(kinds)}{more})")


def list_images(folder: Path) -> tuple[Path, ...]:
    """All image files in a folder and below it, in natural order.

    Hidden files and folders, what file servers keep of their own (`SYSTEM_NAMES`), and files whose ending is not one
    of `IMAGE_SUFFIXES`, are left out. Links are followed; a folder that is reached twice is listed once.

    Raises:
        DatasetError: a folder cannot be listed.
    """
    return survey(folder).images


def survey(folder: Path) -> Listing:
    """What `list_images` finds, and how many files that may be images it leaves out.

    Raises:
        DatasetError: a folder cannot be listed.
    """
    found: list[Path] = []
    left_out, others = Counter[str](), Counter[str]()
    _collect(folder, found, left_out, others, seen=set())
    in_order = sorted(found, key=lambda path: natural_key(relative_name(path, folder)))
    return Listing(tuple(in_order), left_out, others)


def subfolders(folder: Path) -> tuple[Path, ...]:
    """The visible folders directly in a folder, in natural order; empty if it is not a folder."""
    if not folder.is_dir():
        return ()
    names = [entry.name for entry in _entries(folder) if entry.is_dir() and not is_apart(entry.name)]
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


def _collect(
    folder: Path,
    found: list[Path],
    left_out: Counter[str],
    others: Counter[str],
    *,
    seen: set[tuple[int, int]],
    apart: str | None = None,
) -> None:
    status = folder.stat()
    if (status.st_dev, status.st_ino) in seen:
        _log.debug("%s is a link to a folder already listed", folder)
        return
    seen.add((status.st_dev, status.st_ino))
    for entry in sorted(_entries(folder), key=lambda entry: natural_key(entry.name)):
        path = folder / entry.name
        reason = apart or _apart_reason(entry.name)
        if entry.is_dir():
            if apart is None or not entry.is_symlink():
                _collect(path, found, left_out, others, seen=seen, apart=reason)
        elif path.suffix.lower() in IMAGE_SUFFIXES:
            if reason is not None:
                left_out[reason] += 1
            else:
                # Dead links too: reading them says what is wrong, leaving them out would say nothing.
                found.append(path)
        elif reason is None and path.suffix.lower() in UNREAD_SUFFIXES:
            left_out[f"{path.suffix.lower()}, a format that is not read"] += 1
        elif reason is None and not _is_no_picture(path):
            others[path.suffix.lower() or "none"] += 1
        else:
            _log.debug("%s is not an image file: ignored", path)


def _is_no_picture(path: Path) -> bool:
    return path.suffix.lower() in _NO_PICTURES or is_one_of(path.stem, _NO_PICTURES_BY_NAME)


def is_apart(name: str) -> bool:
    """Whether a file or folder of this name is left out, with all that is in it: hidden, or a system's own."""
    return _apart_reason(name) is not None


def _apart_reason(name: str) -> str | None:
    """Why a file or folder of this name is left out; None if it is not."""
    if is_one_of(name, SYSTEM_NAMES):
        return f"in {name}, which file servers and systems make"
    return "hidden (the name begins with a point)" if name.startswith(".") else None


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise DatasetError(f"{folder}: cannot list this folder: {error.strerror or error}") from error
