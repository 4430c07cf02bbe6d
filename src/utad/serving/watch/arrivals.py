"""Which images have come and are complete: files that did not change for a while, and were not dealt with before."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass

from utad.serving.watch.scan import Arrival, FileState

RETRY_SECONDS = 30.0
"""Between two trials of a file that the system could not read: the share may be back then, or the rights be set."""


@dataclass
class _Waiting:
    state: FileState
    due: float


class Arrivals:
    """Files that have been seen and are not dealt with yet.

    Args:
        done: keys of all versions that were dealt with (`Arrival.key`), kept by the caller.
        settle: seconds for which a file must stay as it is.
        patient: wait for files that still change; otherwise they are left for another time.
    """

    def __init__(self, done: set[bytes], *, settle: float, patient: bool = True) -> None:
        self._done = done
        self._settle = settle
        self._patient = patient
        self._waiting: dict[str, _Waiting] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def see(self, arrival: Arrival, now: float) -> None:
        """Takes note of a file as it is at this moment, on a clock that never goes back."""
        name, state = arrival
        if arrival.key in self._done:
            self._waiting.pop(name, None)
            return
        waiting = self._waiting.get(name)
        if waiting is None or waiting.state != state:
            self._waiting[name] = _Waiting(state, now + self._settle)

    def put_off(self, arrival: Arrival, now: float) -> None:
        """Tries an image again later, if this one has patience."""
        self._waiting.pop(arrival.name, None)
        if self._patient:
            self._waiting[arrival.name] = _Waiting(arrival.state, now + RETRY_SECONDS)

    def drop(self, arrival: Arrival) -> None:
        """Forgets a file that is dealt with, or gone."""
        self._waiting.pop(arrival.name, None)

    def complete(self, now: float, limit: int, state_of: Callable[[str], FileState | None]) -> list[Arrival]:
        """Files that have not changed for long enough, the oldest first; they stay here until they are dropped.

        Args:
            now: on the clock of `see`.
            limit: most of them.
            state_of: looks at a file again.
        """
        due = (Arrival(name, waiting.state) for name, waiting in self._waiting.items() if waiting.due <= now)
        found = []
        for arrival in heapq.nsmallest(limit, due, key=lambda arrival: (arrival.state.modified_ns, arrival.name)):
            state = state_of(arrival.name)
            if state == arrival.state:
                found.append(arrival)
            else:
                self.changed(arrival, state, now)
        return found

    def changed(self, arrival: Arrival, state: FileState | None, now: float) -> None:
        """Takes note that a file is not what it was when it was seen; None where it is gone."""
        self._waiting.pop(arrival.name, None)
        if state is not None and self._patient:
            self.see(Arrival(arrival.name, state), now)

    def seconds_left(self, now: float) -> float | None:
        """Until the next file may be complete; None if there is none."""
        return max(0.0, min(waiting.due for waiting in self._waiting.values()) - now) if self._waiting else None
