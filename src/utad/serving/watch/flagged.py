"""Copies of, or links to, the images that were called anomalous, in a folder for people to look at."""

from __future__ import annotations

import filecmp
import hashlib
import logging
import os
import shutil
from pathlib import Path

from utad.errors import OutputError
from utad.files import make_directory, output_errors, write_atomically
from utad.overlap import refuse_overlap
from utad.serving.watch.scan import Arrival

_LOGGER = logging.getLogger(__name__)


class FlaggedFolder:
    """A folder of anomalous images under their own names; nothing that stands there is ever overwritten.

    Args:
        directory: made if need be.
        watched: the folder that the images lie in.
        link: make symbolic links instead of copies.

    Raises:
        OutputError: if `directory` holds the watched folder or lies in it.
    """

    def __init__(self, directory: Path, watched: Path, *, link: bool = False) -> None:
        refuse_overlap(directory, [watched])
        self._directory = make_directory(directory)
        self._real = Path(os.path.realpath(directory))
        self._watched = watched
        self._link = link

    def add(self, arrival: Arrival) -> None:
        """Adds an image; where another one has its name, a digest comes behind the name.

        An image that is gone meanwhile is logged.

        Raises:
            OutputError: if that is not possible.
        """
        source, target = self._watched / arrival.name, self._directory / arrival.name
        real = Path(os.path.realpath(target.parent))
        if real != self._real and self._real not in real.parents:
            raise OutputError(f"{target} leads out of the folder {self._directory}, to {real}: not written")
        if os.path.lexists(target) or (os.path.lexists(target.parent) and not target.parent.is_dir()):
            if self._is_there(source, target):
                return
            digest = hashlib.sha256(arrival.key).hexdigest()[:16]
            # Cut by characters, of which each has at most four bytes.
            target = self._directory / f"{target.stem[:50]}-{digest}{target.suffix}"
            if os.path.lexists(target):
                return
        self._write(source, target)

    def _is_there(self, source: Path, target: Path) -> bool:
        """Whether an earlier process, killed before it said so, has added the image."""
        try:
            if self._link:
                return os.readlink(target) == str(source.absolute())
            return not target.is_symlink() and filecmp.cmp(source, target, shallow=False)
        except OSError:
            return False

    def _write(self, source: Path, target: Path) -> None:
        if not source.is_file():
            _LOGGER.warning("%s is gone: not in %s", source, self._directory)
        elif self._link:
            make_directory(target.parent)
            with output_errors(target):
                target.symlink_to(source.absolute())
        else:
            write_atomically(target, lambda path: shutil.copyfile(source, path))
