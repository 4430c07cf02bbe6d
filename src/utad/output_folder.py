"""A folder that a command writes to: one process at a time, and nothing in it is overwritten but what it wrote itself.

`.utad-record.jsonl` in the folder says which files are ours: a line each, written before the file takes its place, with
its sha256. docs/adr/0012-outputs.md.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any

from utad.errors import OutputError
from utad.files import atomic_path, file_digest, output_errors
from utad.output_record import OutputRecord
from utad.overlap import refuse_overlap

_LOGGER = logging.getLogger(__name__)

_NAMED = 3
"""Files that an error names; of more it gives the number."""


class OutputFolder:
    """What `output_folder` gives: a folder that is ours for the length of a block.

    Args:
        directory: of the files.
        purpose: whose files these are; those of another purpose in the same folder stay.
        record: of the folder, open and locked.
    """

    def __init__(self, directory: Path, purpose: str, record: OutputRecord) -> None:
        self.directory = directory
        self.purpose = purpose
        self._real = Path(os.path.realpath(directory))
        self._inside: set[Path] = set()
        self._record = record
        self._files: dict[str, tuple[str, str | None]] = {}
        for line in self._record.lines():
            if "cleared" in line:
                self._files = {name: file for name, file in self._files.items() if file[0] != line["cleared"]}
            elif "file" in line:
                self._files[line["file"]] = (line["by"], line["sha256"])

    def write(self, name: str, write: Callable[[Path], object]) -> None:
        """Writes a file atomically.

        Args:
            name: below the folder, with `/`.
            write: called with a temporary path.

        Raises:
            OutputError: if the file is not ours, a link leads out of the folder, or it cannot be written.
        """
        path = self.path(name)
        if os.path.lexists(path):
            self.refuse_others([name])
        with atomic_path(path) as temporary:
            write(temporary)
            # First the record: a file that nobody knows of could not be replaced by the next run.
            self._add({"file": name, "sha256": file_digest(temporary)})

    def write_text(self, name: str, text: str) -> None:
        """Writes a text file atomically, UTF-8 with the line ends that the text has; lone surrogates have escapes.

        Args:
            name: below the folder, with `/`.
            text: whole.

        Raises:
            OutputError: as `write`.
        """
        content = text.encode("utf-8", "backslashreplace")
        self.write(name, lambda path: path.write_bytes(content))

    def own(self, names: Iterable[str]) -> None:
        """Records files and folders that change while the command runs; what is in them counts as ours.

        Raises:
            OutputError: if one of them is there and is not ours.
        """
        wanted = list(names)
        self.refuse_others(wanted)
        for name in wanted:
            if self._files.get(name) != (self.purpose, None):
                self._add({"file": name, "sha256": None})

    def adopt(self, names: Iterable[str]) -> None:
        """Takes for ours what an earlier version wrote, which kept no record; the caller has made sure of that."""
        for name in names:
            if os.path.lexists(self.path(name)) and name not in self._files:
                self._add({"file": name, "sha256": None})

    def refuse_others(self, names: Iterable[str] | None = None) -> None:
        """Refuses to write where something stands that is not ours, or was changed since we wrote it.

        Args:
            names: to be written; None for all files of this purpose that are there.

        Raises:
            OutputError: naming the files.
        """
        wanted = [name for name, (by, _) in self._files.items() if by == self.purpose] if names is None else names
        faulty = [name for name in wanted if os.path.lexists(path := self.path(name)) and not self._is_ours(name, path)]
        if faulty:
            more = f" and {len(faulty) - _NAMED} more" if len(faulty) > _NAMED else ""
            raise OutputError(
                f"{self.directory} holds {', '.join(faulty[:_NAMED])}{more}, which utad did not write, or which was "
                "changed since: nothing is overwritten. Choose another folder, or move them away"
            )

    def refuse_of_other_purposes(self, names: Iterable[str], *, instead: str = "") -> None:
        """Refuses to write where a file of another command stands that has results of its own in this folder.

        Args:
            names: to be written.
            instead: what else than another folder the user may choose.

        Raises:
            OutputError: naming the files.
        """
        taken = [
            name
            for name in names
            if name in self._files and self._files[name][0] != self.purpose and os.path.lexists(self.path(name))
        ]
        if taken:
            raise OutputError(
                f"{self.directory} holds {', '.join(taken)}, which goes with the {self._files[taken[0]][0]} in it: "
                f"choose another folder{f', or {instead}' if instead else ''}"
            )

    def remove(self, name: str) -> None:
        """Removes a file of this purpose, unless somebody has changed it since.

        Raises:
            OutputError: if that is not possible.
        """
        path = self.path(name)
        if self._files.get(name, ("",))[0] == self.purpose and self._is_ours(name, path):
            with output_errors(path):
                path.unlink()

    def clear(self) -> None:
        """Removes the files of this purpose that an earlier command wrote, and the folders left empty.

        Raises:
            OutputError: if one was changed since; nothing is removed then.
        """
        self.refuse_others()
        own = [name for name, (by, _) in self._files.items() if by == self.purpose]
        for name in own:
            path = self.path(name)
            with output_errors(path):
                if not path.is_dir():
                    path.unlink(missing_ok=True)
                self.remove_empty(path.parent)
            del self._files[name]
        if self._files:
            self._add({"cleared": self.purpose})
        else:
            self._record.clear()

    def remove_empty(self, folder: Path) -> None:
        """Removes a folder below this one and those above it, up to this one, as far as they are empty."""
        while folder != self.directory and self.directory in folder.parents:
            try:
                folder.rmdir()
            except OSError:
                return
            folder = folder.parent

    def note(self, values: Mapping[str, Any], *, durable: bool = False) -> None:
        """Keeps something for a later command that goes on with this one's work.

        Args:
            values: for JSON.
            durable: return when it is on disk, where a power failure leaves it.
        """
        self._add({"note": values}, durable=durable)

    def notes(self) -> Iterator[dict[str, Any]]:
        """What was noted under this purpose since it was last cleared, in order."""
        lines = [number for number, line in enumerate(self._record.lines()) if line.get("cleared") == self.purpose]
        for number, line in enumerate(self._record.lines()):
            if "note" in line and line["by"] == self.purpose and number > (lines[-1] if lines else -1):
                yield line["note"]

    def notes_of(
        self, run: Mapping[str, Any], words: Mapping[str, str], *, else_do: str
    ) -> Iterator[dict[str, Any]] | None:
        """What was noted after the run that the first note names; None where there is no note.

        Args:
            run: this run, as the first note of one that goes on with its work has it.
            words: for each key of it, what differs where it does.
            else_do: what the user may do about another run.

        Raises:
            OutputError: if it is another run.
        """
        notes = self.notes()
        before = next(notes, None)
        if before is None:
            return None
        differing = [words[key] for key, value in run.items() if before.get(key) != value]
        if differing:
            raise OutputError(f"{self.directory} holds another run: its {' and '.join(differing)} differ. {else_do}")
        return notes

    def _is_ours(self, name: str, path: Path) -> bool:
        _, digest = self._files.get(name, ("", ""))
        if digest is None:
            return not path.is_symlink()
        return path.is_file() and not path.is_symlink() and file_digest(path) == digest

    def path(self, name: str) -> Path:
        """The file of a name; its folder lies within this one by whatever links are in the way."""
        path = self.directory / PurePosixPath(name)
        if path.parent not in self._inside:
            real = Path(os.path.realpath(path.parent))
            if real != self._real and self._real not in real.parents:
                raise OutputError(f"{path} leads out of the output folder {self.directory}, to {real}: not written")
            self._inside.add(path.parent)
        return path

    def _add(self, line: dict[str, Any], *, durable: bool = False) -> None:
        self._record.add({"by": self.purpose, **line}, durable=durable)
        if "file" in line:
            self._files[line["file"]] = (self.purpose, line["sha256"])


@contextmanager
def output_folder(directory: Path, purpose: str, *, apart_from: Iterable[Path] = ()) -> Iterator[OutputFolder]:
    """Takes a folder to write to, for this process alone; what stays unused leaves no trace.

    Args:
        directory: made if need be.
        purpose: names the kind of files, for commands that share a folder.
        apart_from: inputs that it must neither hold nor lie in.

    Raises:
        OutputError: if it overlaps an input, is no folder, or another process writes to it.
    """
    refuse_overlap(directory, apart_from)
    if os.path.lexists(directory) and not directory.is_dir():
        raise OutputError(f"{directory} is not a folder: choose another place to write to")
    with output_errors(directory):
        made = [folder for folder in (directory, *directory.parents) if not folder.exists()]
        directory.mkdir(parents=True, exist_ok=True)
        record = OutputRecord(directory)
    try:
        yield OutputFolder(directory, purpose, record)
    finally:
        if record.close():
            with suppress(OSError):
                for empty in made:
                    empty.rmdir()


def complete(write: Callable[[], None], *, after: BaseException | None) -> None:
    """Writes what is to be there in the end, however a command ended.

    Args:
        write: does it.
        after: what ended the command; None where nothing did.

    Raises:
        OutputError: of `write`; after another error, which is to be told, it is a warning.
    """
    try:
        write()
    except OutputError as failure:
        if after is None:
            raise
        _LOGGER.warning("%s", failure)
