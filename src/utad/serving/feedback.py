"""Images whose result somebody has marked as wrong, in folders that `utad calibrate --labelled` reads."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any, Literal

from utad.data.reading import format_of
from utad.errors import OutputError
from utad.files import append_whole, file_digest, output_errors
from utad.output_folder import OutputFolder, output_folder
from utad.output_record import RECORD_NAME

Label = Literal["normal", "anomalous"]

INDEX_NAME = "feedback.jsonl"
_PURPOSE = "feedback"
_FOLDERS: Mapping[Label, str] = {"normal": "normal", "anomalous": "abnormal"}
_ENDINGS = {"PNG": ".png", "JPEG": ".jpg", "BMP": ".bmp", "TIFF": ".tif", "WEBP": ".webp", "PPM": ".ppm"}

_LINES = 4000
"""Bytes at most that one mark adds to the index and to the record of the folder: a name can have 255 characters."""


class Feedback:
    """A folder of marked images, `normal/` and `abnormal/`, and `feedback.jsonl` with a line for each mark.

    An image is named by the sha256 of its content, never by what the client calls it. What was marked one way and then
    the other is kept under the later mark alone. It may be used by several threads.

    Args:
        folder: ours as long as the server runs.
        limit: bytes of all that is kept, together.

    Raises:
        OutputError: if the index is there and is not ours, or cannot be read.
    """

    def __init__(self, folder: OutputFolder, limit: int) -> None:
        folder.own([INDEX_NAME])
        self._folder = folder
        self._limit = limit
        self._lock = Lock()
        self._index = folder.path(INDEX_NAME)
        with output_errors(folder.directory):
            places = (folder.directory / name for name in _FOLDERS.values())
            self._images = sum(_size(path) for place in places for path in place.glob("*"))
            self._marks = _marks_in(self._index)

    def keep(self, content: bytes, label: Label, about: Mapping[str, Any]) -> tuple[str, bool]:
        """Keeps an image, unless it is there already, and a line that says what was marked.

        Args:
            content: of an image file that was decoded before.
            label: what the image should have been called.
            about: further values of the line, for JSON.

        Returns:
            The file, below the folder, and whether the mark is a new one.

        Raises:
            ImageReadError: if the content is not that of an image.
            OutputError: if there is no room left, or it cannot be written.
        """
        digest = hashlib.sha256(content).hexdigest()
        ending = _ENDINGS[format_of(content, name="the image")]
        name = f"{_FOLDERS[label]}/{digest}{ending}"
        with self._lock:
            if self._marks.get(digest) == name and self._folder.path(name).is_file():
                return name, False
            self._check_room(_LINES + (0 if self._folder.path(name).is_file() else len(content)))
            self._write(name, digest, content)
            for other in _FOLDERS.values():
                if other != _FOLDERS[label]:
                    self._take_away(f"{other}/{digest}{ending}")
            line = {"file": name, "label": label, "time": datetime.now(UTC).isoformat(timespec="seconds"), **about}
            with output_errors(self._index):
                append_whole(self._index, f"{json.dumps(line, allow_nan=False)}\n".encode(), durable=True)
            self._marks[digest] = name
        return name, True

    def _check_room(self, more: int) -> None:
        # Marking one image to and fro adds lines without end, and no image.
        used = self._images + _size(self._index) + _size(self._folder.directory / RECORD_NAME)
        if used + more > self._limit:
            raise OutputError(
                f"{used / 1e6:.1f} MB are kept, and {self._limit / 1e6:.1f} MB are allowed: take some images away, or "
                "start the server with a higher --feedback-limit"
            )

    def _write(self, name: str, digest: str, content: bytes) -> None:
        path = self._folder.path(name)
        if path.is_file() and file_digest(path) == digest:
            return
        self._folder.write(name, lambda temporary: temporary.write_bytes(content))
        self._images += len(content)

    def _take_away(self, name: str) -> None:
        path = self._folder.path(name)
        size = _size(path)
        self._folder.remove(name)
        self._images -= size - _size(path)


@contextmanager
def feedback_folder(directory: Path, *, models: Iterable[Path], limit: int) -> Iterator[Feedback]:
    """Takes a folder for feedback, for this server alone.

    Args:
        directory: made if need be.
        models: that are served: the folder must neither hold one of them nor lie in it.
        limit: bytes of all that is kept, together.

    Raises:
        OutputError: if it overlaps a model, holds files in the place of ours, or another server writes to it.
    """
    folders = [path.parent if path.is_file() else path for path in models]
    with output_folder(directory, _PURPOSE, apart_from=folders) as folder:
        yield Feedback(folder, limit)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _marks_in(index: Path) -> dict[str, str]:
    """The file of the last mark of each image, by the sha256 of the image; a line that was torn is cut off."""
    found: dict[str, str] = {}
    if index.exists():
        content = index.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(index, whole)
        for line in content[:whole].splitlines():
            try:
                name = str(json.loads(line)["file"])
            except (ValueError, KeyError, TypeError):
                continue  # zeros that a power failure left: the mark is written anew when it comes again
            found[Path(name).stem] = name
    return found
