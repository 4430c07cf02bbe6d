"""Names for the pictures of images: below one folder, each its own on every file system, and the same every time."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

_LONGEST = 255
"""Bytes of a file name on all file systems in use."""

_FORMS = 3


def picture_names(names: Sequence[str]) -> dict[str, str]:
    """The path of a PNG for each image.

    An image keeps its name with another ending; where two would meet, letter case and Unicode form aside, or one would
    be the folder of another, the whole name with `.png` behind it; where these meet too, its name with a digest.

    Args:
        names: unique. What would lead out of a folder, `..` or an absolute path, is dropped from the picture's name.
    """
    form = dict.fromkeys(names, 0)
    pictures = {name: _picture(name, 0) for name in form}
    keys = {name: _key(picture) for name, picture in pictures.items()}
    while True:
        counts = Counter(keys.values())
        folders = _folders(counts)
        meeting = [
            name for name, key in keys.items() if (counts[key] > 1 or key in folders) and form[name] < _FORMS - 1
        ]
        if not meeting:
            return pictures
        for name in meeting:
            form[name] += 1
            pictures[name] = _picture(name, form[name])
            keys[name] = _key(pictures[name])


def unique_picture_name(name: str, version: str) -> str:
    """The path of the PNG of one image of which the others are not known: its name with a digest behind it.

    Args:
        name: as for `picture_names`.
        version: tells what lies under this name at different times apart.
    """
    return _picture(name, _FORMS - 1, version)


def _picture(name: str, form: int, version: str = "") -> str:
    parts = [part for part in name.replace("\0", "_").split("/") if part not in ("", ".", "..")] or ["_"]
    if os.name == "nt":
        parts = [re.sub(r'[<>:"\\|?*]', "_", part) for part in parts]
    *folders, last = parts
    dot = last.rfind(".")
    stem = last[:dot] if 0 < dot < len(last) - 1 else last
    file = f"{last if form == 1 else stem}.png"
    if form == 2 or len(os.fsencode(file)) > _LONGEST:
        digest = hashlib.sha256((name + version).encode(errors="surrogatepass")).hexdigest()[:16]
        # Cut by characters, of which each has at most four bytes.
        file = f"{stem[:50]}-{digest}.png"
    return "/".join([*folders, file])


def _key(picture: str) -> str:
    """What a file system that ignores case and Unicode form takes the name for."""
    if picture.isascii():
        return picture.lower()
    return unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", picture).casefold())


def _folders(keys: Iterable[str]) -> set[str]:
    """All folders that the files lie in."""
    found = {key.rpartition("/")[0] for key in keys}
    waiting = set(found)
    while waiting:
        waiting = {folder.rpartition("/")[0] for folder in waiting} - found
        found |= waiting
    return found
