"""Ctrl-C and SIGTERM: the command stops where it is, says what it leaves, and exits with 130 or 143."""

from __future__ import annotations

import signal
import time
from types import FrameType

GRACE = 10.0
"""Seconds after a signal in which a further one changes nothing: what is done so far is being written."""

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

    @property
    def exit_code(self) -> int:
        """What a shell gives a command that the signal ends."""
        return 128 + self.number

    @property
    def advice(self) -> str:
        """What is kept and how to go on: the last note, that of the command as a whole."""
        notes: list[str] = getattr(self, "__notes__", [])
        if notes:
            return notes[-1]
        # It may have come while an earlier one was on its way, and have taken its place.
        return self.__context__.advice if isinstance(self.__context__, Stopped) else _NOTHING_KEPT


class _Handler:
    """Raises `Stopped` for the first signal, and for one that comes when the command still has not ended.

    Who presses Ctrl-C twice, or a shell and a supervisor that both send a signal, must not end the writing of results.
    """

    def __init__(self) -> None:
        self._until = 0.0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        del frame
        now = time.monotonic()
        if now >= self._until:
            self._until = now + GRACE
            raise Stopped(number)


def stop_on_signals() -> None:
    """From now on SIGINT and SIGTERM raise `Stopped`, except where the parent process has them ignored."""
    handler = _Handler()
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handler)


def ignore_signals() -> None:
    """From now on they change nothing: the end is near."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
