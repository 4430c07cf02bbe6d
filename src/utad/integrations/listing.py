"""The images to score by their places: files and folders of this computer, or of any file system that fsspec knows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from utad.data.reading import IMAGE_SUFFIXES
from utad.dependencies import require
from utad.errors import DatasetError
from utad.inputs import collect_images

_URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)


@dataclass(frozen=True)
class ListedImages:
    """Images by name and place.

    Attributes:
        names: what the tables call them, unique.
        places: for each the absolute path or the URL that it is read from.
        folders: of these the inputs on this computer, which no output may touch.
        left_out: what lies in the folders and is not tried, a line for each reason, with its count.
    """

    names: tuple[str, ...]
    places: tuple[str, ...]
    folders: tuple[Path, ...] = ()
    left_out: tuple[str, ...] = ()


def is_url(place: str) -> bool:
    """Whether a place is a URL, for fsspec, rather than a path."""
    return _URL.match(place) is not None


def list_images(inputs: Sequence[str]) -> ListedImages:
    """Every image of the given files and folders, all of them paths, or all of them URLs.

    Args:
        inputs: paths are listed and named as `utad predict` does it. Images below one URL are named by their way from
            it, those of several URLs by their whole URL.

    Raises:
        DatasetError: if there are paths and URLs, a place does not exist or cannot be listed, or there is no image.
        MissingDependencyError: for URLs, if fsspec, or what it needs for their file system, is not installed.
    """
    urls = [place for place in inputs if is_url(place)]
    if urls and len(urls) < len(inputs):
        raise DatasetError(f"got paths and URLs ({urls[0]}): score them one after the other")
    return _at_urls(urls) if urls else _on_this_computer([Path(place) for place in inputs])


def _on_this_computer(inputs: Sequence[Path]) -> ListedImages:
    collected = collect_images(inputs)
    files = [sample.image for sample in collected.samples if isinstance(sample.image, Path)]
    return ListedImages(
        tuple(sample.name for sample in collected.samples),
        tuple(str(file.absolute()) for file in files),
        tuple(inputs),
        collected.left_out,
    )


def _at_urls(urls: Sequence[str]) -> ListedImages:
    found: dict[str, str] = {}
    others = 0
    for url in dict.fromkeys(urls):
        root, files = _below(url)
        for file, place in files:
            # The root itself is an image that was named: whatever its suffix, it is wanted.
            if file != root and PurePosixPath(file).suffix.lower() not in IMAGE_SUFFIXES:
                others += 1
                continue
            below = file.removeprefix(root).lstrip("/") or PurePosixPath(file).name
            found.setdefault(place, below if len(urls) == 1 else place)
    if not found:
        expected = f"expected files that end in {', '.join(IMAGE_SUFFIXES)}"
        raise DatasetError(f"{', '.join(urls)}: got no image files among {others}, {expected}")
    left_out = (f"{others} other files",) if others else ()
    return ListedImages(tuple(found.values()), tuple(found), left_out=left_out)


def _below(url: str) -> tuple[str, list[tuple[str, str]]]:
    """The path of a URL in its file system, and of each file at or below it the path and the URL."""
    try:
        system, root = require("fsspec.core").url_to_fs(url)
        files = sorted(system.find(root))
    except (OSError, ValueError) as error:
        raise DatasetError(f"{url} cannot be listed ({error}): expected a file or folder that fsspec reads") from error
    except ImportError as error:
        raise DatasetError(f"{url} cannot be listed: {error}") from error
    if not files:
        raise DatasetError(f"{url} does not exist, or is empty; expected an image, or a folder of images")
    return root.rstrip("/"), [(file, system.unstrip_protocol(file)) for file in files]
