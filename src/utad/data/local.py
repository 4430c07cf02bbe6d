"""What is no file or folder on this computer, though a path can be written so: URLs and archives."""

from __future__ import annotations

import re
from pathlib import Path

_ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".7z", ".rar", ".zst")
# One slash will do: a path swallows the second one.
_URL = re.compile(r"[a-z][a-z0-9+.-]+:/", re.IGNORECASE)


def not_local(path: str | Path) -> str | None:
    """What to tell a user who names a URL or an archive; None for what may be a file or folder."""
    text = str(path)
    if _URL.match(text):
        return f"{text} is a URL: nothing is fetched from there; download the images and name their folder"
    if Path(text).suffix.lower() in _ARCHIVES and not Path(text).is_dir():
        return f"{text} is an archive, which is not read: unpack it and name the folder"
    return None
