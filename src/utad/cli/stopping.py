"""Ctrl-C and SIGTERM: the command stops where it is, says what it leaves, and exits with 130 or 143."""

from __future__ import annotations

import signal
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType

GRACE = 10.0
"""Seconds after a signal in which a further one changes nothing: what is done so far is being written."""

_LOOK_SECONDS = 0.5
"""Between two looks whether the exception of a signal got lost."""

_NOTHING_KEPT = "nothing was written; run the same command again"


class Stopped(BaseException):
    """A signal asks for the end. No `KeyboardInterrupt`: Typer and Lightning catch that and go ways of their own.

    What it passes on its way notes what is kept (`utad.errors.noted`).

    Args:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@dataclass(frozen=True)
class Stop:
    """How a command that a signal ends takes its leave.

    Attributes:
        exit_code: what a shell gives a command that the signal ends.
        advice: what is kept and how to go on: the last note, that of the command as a whole.
    """

    exit_code: int
    advice: str


def stop_behind(error: BaseException) -> Stop | None:
    """The signal that ended a command, whatever exception that came to; None if there was none.

    What is raised while a class is made, in an import say, reaches us as the cause of a `RuntimeError`; a signal that
    comes while an earlier one is on its way takes its place.
    """
    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in chain:
        chain.append(link)
        link = link.__cause__ or link.__context__
    numbers = [link.number for link in chain if isinstance(link, Stopped)]
    notes: list[str] = next((link.__notes__ for link in chain if getattr(link, "__notes__", None)), [_NOTHING_KEPT])
    return Stop(128 + numbers[0], notes[-1]) if numbers else None


class _Handler:
    """Raises `Stopped` for the first signal, and again when that has got lost or takes too long.

    Who presses Ctrl-C twice, or a shell and a supervisor that both send a signal, must not end the writing of results.
    On the other side an exception can get lost on its way: in a destructor, or in an extension module that makes an
    error of its own of it.
    """

    def __init__(self) -> None:
        self._number = 0
        self._until = 0.0
        self._raised: Callable[[], Stopped | None] = lambda: None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        del frame
        if time.monotonic() < self._until and self._raised() is not None:
            return
        self._number, self._until = number, time.monotonic() + GRACE
        if hasattr(signal, "setitimer"):
            signal.signal(signal.SIGALRM, self.look)
            signal.setitimer(signal.ITIMER_REAL, _LOOK_SECONDS, _LOOK_SECONDS)
        # Without a name here, which would keep it alive.
        raise self._new(number)

    def look(self, number: int, frame: FrameType | None) -> None:
        """Raises it again if nothing knows of it any more, though the command goes on."""
        del number, frame
        if self._raised() is None:
            raise self._new(self._number)

    def _new(self, number: int) -> Stopped:
        stopped = Stopped(number)
        self._raised = weakref.ref(stopped)
        return stopped


def stop_on_signals() -> None:
    """From now on SIGINT and SIGTERM raise `Stopped`, except where the parent process has them ignored."""
    handler = _Handler()
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handler)


def ignore_signals() -> None:
    """From now on they change nothing: the end is near."""
    for name in ("SIGINT", "SIGTERM", "SIGALRM"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
