"""The files of the page for people: scripts, style and pictures, in memory, under names that are known beforehand."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

_PREFIX = "/page/"

# Not from the operating system's table, which on Windows may call a script text: it would not be run then.
_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
_PLACES = (("utad.serving", "page"), ("utad.report", "templates"))
_SHARED = ("page.css",)
"""Of the templates of other pages, what this one has too."""


@dataclass(frozen=True)
class PageFile:
    """A file as it is sent.

    Attributes:
        content: of the file.
        media_type: of it.
        tag: for `ETag`, made of the content.
    """

    content: bytes = field(repr=False)
    media_type: str
    tag: str


def tag_of(content: bytes) -> str:
    """The `ETag` of a content."""
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


@cache
def page_files() -> Mapping[str, PageFile]:
    """All of them by name."""
    found: dict[str, PageFile] = {}
    for package, folder in _PLACES:
        for file in (files(package) / folder).iterdir():
            ending = f".{file.name.rpartition('.')[2]}"
            if ending in _TYPES and (package == "utad.serving" or file.name in _SHARED):
                content = file.read_bytes()
                found[file.name] = PageFile(content, _TYPES[ending], tag_of(content))
    return found


PAGE_PATHS = frozenset({"/", *(f"{_PREFIX}{name}" for name in page_files())})
"""What may be loaded without a token: the page before it knows one."""
