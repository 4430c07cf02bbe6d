"""Ctrl-C and SIGTERM: the command stops where it is, says what it leaves, and exits with 130 or 143."""

from __future__ import annotations

import signal
from types import FrameType

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
        return notes[-1] if notes else _NOTHING_KEPT


def stop_on_signals() -> None:
    """From now on SIGINT and SIGTERM raise `Stopped`, except where the parent process has them ignored."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _stop)


def ignore_signals() -> None:
    """From now on they change nothing: the end is near."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _stop(number: int, frame: FrameType | None) -> None:
    del frame
    raise Stopped(number)
