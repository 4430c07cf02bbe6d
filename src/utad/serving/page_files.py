"""The files of the page for people: scripts, style and pictures, in memory, under names that are known beforehand."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

import PIL.Image

from utad.report.colour_scale import colour_ramp

_PREFIX = "/page/"

# Not from the operating system's table, which on Windows may call a script text: it would not be run then.
_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
_PLACES = (("utad.serving", "page"), ("utad.report", "templates"))
_SHARED = ("page.css", "score_plot.js")
"""Of the templates of other pages, what this one has too."""

_SCALE = "scale.png"
"""The colours of maps, which no file holds."""


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
    contents = {
        file.name: file.read_bytes()
        for package, folder in _PLACES
        for file in (files(package) / folder).iterdir()
        if _ending(file.name) in _TYPES and (package == "utad.serving" or file.name in _SHARED)
    }
    contents[_SCALE] = _scale()
    return {name: PageFile(content, _TYPES[_ending(name)], tag_of(content)) for name, content in contents.items()}


def _ending(name: str) -> str:
    return f".{name.rpartition('.')[2]}"


def _scale() -> bytes:
    file = io.BytesIO()
    PIL.Image.fromarray(colour_ramp()).save(file, "PNG")
    return file.getvalue()


PAGE_PATHS = frozenset({"/", *(f"{_PREFIX}{name}" for name in page_files())})
"""What may be loaded without a token: the page before it knows one."""
