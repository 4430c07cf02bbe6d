"""A table that grows by a few lines at a time and says, whatever happened to it, what the journal says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

from utad.errors import OutputError
from utad.files import append_whole, output_errors

Row = Mapping[str, Any]
_LINES = 1000
"""Appended at once when a table is completed."""


class GrowingTable:
    """A file of a header and a line for each row of the journal.

    Args:
        path: of the file.
        header: its first bytes.
        line: the bytes of a row.
    """

    def __init__(self, path: Path, header: bytes, line: Callable[[Row], bytes]) -> None:
        self.path = path
        self._header = header
        self._line = line
        self._size = -1

    def append(self, rows: Sequence[Row]) -> None:
        """Adds lines, all of them or none.

        Raises:
            OutputError: if they cannot be written.
        """
        data = b"".join(map(self._line, rows))
        with output_errors(self.path):
            append_whole(self.path, data)
        self._size += len(data)

    def is_whole(self) -> bool:
        """Whether the file is as long as the last call left it."""
        try:
            return self.path.stat().st_size == self._size
        except OSError:
            return False

    def complete(self, rows: Iterable[Row]) -> None:
        """Makes the file hold the header and all rows: adds what is missing, after a line that a kill has cut off.

        Args:
            rows: of the journal, all of them.

        Raises:
            OutputError: if somebody has changed it, or it cannot be written.
        """
        expected = filter(None, chain([self._header], map(self._line, rows)))
        with output_errors(self.path):
            size, missing = self._compare(expected)
            while part := b"".join(islice(missing, _LINES)):
                append_whole(self.path, part)
                size += len(part)
        self._size = size

    def _compare(self, expected: Iterator[bytes]) -> tuple[int, Iterator[bytes]]:
        """How many bytes are right, and the lines that are missing behind them; what a kill has torn is cut off."""
        size = 0
        with self.path.open("a+b") as file:
            file.seek(0)
            for line in expected:
                found = file.read(len(line))
                if found != line:
                    # A power failure can leave zeros where the last lines were to be.
                    if not line.startswith(found.rstrip(b"\0")):
                        raise OutputError(self._refusal())
                    file.truncate(size)
                    return size, chain([line], expected)
                size += len(line)
            if file.read(1):
                raise OutputError(self._refusal())
        return size, iter(())

    def _refusal(self) -> str:
        return (
            f"{self.path} was changed by something other than utad watch, which can only add to it: move it away, and "
            "it is written anew, or choose another output folder"
        )
