"""How far a piece of work is: a bar where somebody looks at it, otherwise lines for a log, at least one a minute."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

_LOGGER = logging.getLogger(__name__)
_Item = TypeVar("_Item")

LINE_SECONDS = 30.0
"""Between two lines of a log, or as long as one step takes."""


class Progress:
    """Reports one piece of work, from its beginning to the end of the block.

    Args:
        title: what is done.
        total: steps of it.
        unit: what a step is, in the singular.
        bar: show a bar on stderr instead of lines in the log.
        done: steps that were done before.
        line_seconds: between two lines of the log.
    """

    def __init__(
        self,
        title: str,
        total: int,
        *,
        unit: str = "step",
        bar: bool = False,
        done: int = 0,
        line_seconds: float = LINE_SECONDS,
    ) -> None:
        self.title, self.total, self.unit = title, total, unit
        self._bar = bar
        self._first = self._done = done
        self._line_seconds = line_seconds
        self._note = ""
        self._shown: tuple[RichProgress, TaskID] | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._start = self._last = time.monotonic()
        if self._bar:
            shown = self._stack.enter_context(_bar())
            self._shown = shown, shown.add_task(self.title, total=self.total, completed=self._done, note="")
        else:
            before = f", {self._done} of them done before" if self._done else ""
            _LOGGER.info("%s: %d %s%s", self.title, self.total, self._units(), before)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
        if not self._bar and kind is None:
            _LOGGER.info("%s: done in %s%s", self.title, spoken(time.monotonic() - self._start), self._note)

    def _units(self) -> str:
        if self.total == 1:
            return self.unit
        return f"{self.unit}es" if self.unit.endswith("ch") else f"{self.unit}s"

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Reports further steps.

        Args:
            steps: done since the last call.
            note: of the last one, such as its loss.
        """
        self._done += steps
        self._note = f", {note}" if note else ""
        if self._shown is not None:
            shown, task = self._shown
            shown.update(task, advance=steps, note=note)
            return
        now = time.monotonic()
        if not self._bar and now - self._last >= self._line_seconds and self._done < self.total:
            self._last = now
            left = (now - self._start) / max(1, self._done - self._first) * (self.total - self._done)
            place = f"{self.unit} {self._done} of {self.total}"
            _LOGGER.info("%s: %s%s, about %s left", self.title, place, self._note, spoken(left))


def tracked(items: Iterable[_Item], total: int, title: str, *, bar: bool, unit: str = "image") -> Iterator[_Item]:
    """The items, each reported once the next is asked for."""
    with Progress(title, total, unit=unit, bar=bar) as progress:
        for item in items:
            yield item
            progress.advance()


def _bar() -> RichProgress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=Console(stderr=True),
    )


def spoken(seconds: float) -> str:
    """A duration in words, to two digits or so."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 3 * 3600 else f"{seconds / 3600:.0f} h"
