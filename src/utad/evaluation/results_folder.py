"""Output folders whose results are kept as they come, so that a later run can go on with them."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from utad.output_folder import OutputFolder, output_folder

PURPOSE = "predictions"
"""Of the folders that predictions of a list of images are written to."""


class ResultsFolder(ABC):
    """An output folder that is ours for the length of a block.

    Args:
        directory: made if need be.
        purpose: names the kind of its files.
        apart_from: inputs that the folder must neither hold nor lie in.

    Raises:
        OutputError: on entering, if the folder overlaps an input or another run writes to it.
    """

    def __init__(self, directory: Path, purpose: str, *, apart_from: Iterable[Path] = ()) -> None:
        self.directory = directory
        self._purpose = purpose
        self._apart_from = tuple(apart_from)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._folder = stack.enter_context(
                output_folder(self.directory, self._purpose, apart_from=self._apart_from)
            )
            self._opened(self._folder)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stack:
            self._closing(error)

    @abstractmethod
    def _opened(self, folder: OutputFolder) -> None:
        """Refuses what stands in the way, and takes up what there is of an earlier run."""

    @abstractmethod
    def _closing(self, error: BaseException | None) -> None:
        """Writes what is to be there in the end, after the error that ended the block, if one did."""


class ResumableFolder(ResultsFolder):
    """One whose earlier results go when the first result comes, unless the run goes on with them.

    Args:
        directory: made if need be.
        apart_from: inputs that the folder must neither hold nor lie in.
        run: what two runs must share for one to go on with the other's results.
        words: for each key of `run` what it is, for an error.
        resume: go on with an interrupted run, if there is one.

    Raises:
        OutputError: on entering, also if the folder holds files that are not ours where some are to be written, or the
            run to resume is another one.
    """

    def __init__(
        self,
        directory: Path,
        *,
        apart_from: Iterable[Path],
        run: Mapping[str, Any],
        words: Mapping[str, str],
        resume: bool,
    ) -> None:
        super().__init__(directory, PURPOSE, apart_from=apart_from)
        self._run = dict(run)
        self._words = words
        self._resume = resume
        self._begun = False

    def _opened(self, folder: OutputFolder) -> None:
        folder.refuse_of_other_purposes(self._names())
        if self._resume:
            advice = "Resume with the same command, or leave --resume out to start anew"
            notes = folder.notes_of(self._run, self._words, else_do=advice)
            for note in notes or ():
                self._take_up(note)
            self._begun = notes is not None
        if not self._begun:
            folder.refuse_others()
        folder.refuse_others([*self._names(), *self._standing()])

    def _closing(self, error: BaseException | None) -> None:
        if not self._begun:
            return
        if error is not None:
            error.add_note(self._kept_so_far())
        self._complete(error)

    def _begin(self) -> None:
        """Before the first result: what an earlier run left goes."""
        if not self._begun:
            self._folder.clear()
            self._folder.note(self._run)
            self._begun = True

    @abstractmethod
    def _names(self) -> Sequence[str]:
        """Of the files that will be written, whatever is among the images."""

    def _standing(self) -> Sequence[str]:
        """Of further files to be written those that stand there."""
        return ()

    @abstractmethod
    def _take_up(self, note: Mapping[str, Any]) -> None:
        """Counts what an earlier run noted of a part of its results."""

    @abstractmethod
    def _kept_so_far(self) -> str:
        """What there is, and how to go on, for who interrupted it."""

    @abstractmethod
    def _complete(self, error: BaseException | None) -> None:
        """Writes what is to be there in the end; `error` as for `complete`."""


def digest_of(names: Sequence[str]) -> str:
    """A sha256 that two lists of names share when they are the same, in hexadecimal."""
    return hashlib.sha256("\0".join(names).encode(errors="surrogatepass")).hexdigest()
