"""The record of an output folder: a line of JSON for each file of ours, and the lock that one process at a time holds.

The lock is the operating system's, which ends with the process that holds it. docs/adr/0012-outputs.md.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from utad.errors import OutputError
from utad.files import append_whole, output_errors

_LOGGER = logging.getLogger(__name__)

RECORD_NAME = ".utad-record.jsonl"


class OutputRecord:
    """The record of a folder, open and locked until it is closed.

    Args:
        directory: that it lies in.

    Raises:
        OSError: if it cannot be opened.
        OutputError: if another process, or another thread of this one, holds the lock.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / RECORD_NAME
        self._file = _locked(self._path)

    def lines(self) -> Iterator[dict[str, Any]]:
        """All lines; one that a killed process left torn ends the record, and is cut off."""
        position = 0
        while True:
            self._file.seek(position)
            text = self._file.readline()
            if not text:
                return
            try:
                line = json.loads(text) if text.endswith(b"\n") else None
            except ValueError:
                line = None
            if not isinstance(line, dict) or "by" not in line:
                self._file.truncate(position)
                return
            position += len(text)
            yield line

    def add(self, line: dict[str, Any], *, durable: bool = False) -> None:
        """Adds a line that can be JSON and has the key `by`.

        Args:
            line: whole.
            durable: return when it is on disk, where a power failure leaves it.

        Raises:
            OutputError: if it cannot be written.
        """
        text = json.dumps(line, ensure_ascii=True, allow_nan=False) + "\n"
        with output_errors(self._path):
            append_whole(self._path, text.encode(), durable=durable)

    def clear(self) -> None:
        """Leaves no line.

        Raises:
            OutputError: if it cannot be written.
        """
        with output_errors(self._path):
            self._file.truncate(0)

    def close(self) -> bool:
        """Ends the lock; a record without a line is removed. Returns whether it had none."""
        unused = os.fstat(self._file.fileno()).st_size == 0
        if unused:
            # Removed while it is still locked: who waits for it finds that it holds the lock of no file.
            with suppress(OSError):
                self._path.unlink()
        self._file.close()
        return unused


def _locked(path: Path) -> IO[bytes]:
    while True:
        record = path.open("a+b")
        try:
            _lock(record)
        except (BlockingIOError, PermissionError) as error:
            record.close()
            raise OutputError(
                f"another run writes to {path.parent} at this moment: wait for it to end, or choose another folder"
            ) from error
        except OSError as error:
            _LOGGER.warning("%s cannot be locked (%s): let no other run write to it", path.parent, error.strerror)
        # The one before may have removed the file between our opening and our locking it.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(record.fileno()), path.stat()):
                return record
        record.close()


if sys.platform == "win32":

    def _lock(file: IO[bytes]) -> None:
        import msvcrt

        file.seek(2**30)  # far behind what is ever read: on Windows a locked part cannot be read
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:

    def _lock(file: IO[bytes]) -> None:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
