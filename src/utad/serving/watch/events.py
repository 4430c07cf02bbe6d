"""What has changed in a folder, by the events of the operating system, or by nothing but the time that has gone by."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

_LOGGER = logging.getLogger(__name__)

RESCAN_SECONDS = 30.0
"""Between two looks at the whole folder where events are there: they can get lost."""

_STARTING_SECONDS = 2.0
"""After which events are surely collected: what comes before may be missed, and the folder is looked at once more."""

_MOST_PATHS = 10_000
"""That are remembered; beyond them the whole folder is looked at."""

_DEBOUNCE_MS = 200
_STEP_MS = 50
_RESTART_SECONDS = 1.0


class FolderEvents:
    """Collects the paths of changed files, in a thread of its own.

    Args:
        folder: to watch, with all below it.
        poll: seconds between two looks at the whole folder, without events, as network shares need it; None for events.
    """

    def __init__(self, folder: Path, *, poll: float | None = None) -> None:
        self._folder = folder
        self._events = poll is None
        self._every = RESCAN_SECONDS if poll is None else poll
        self._changed: set[Path] | None = None
        self._next_scan = self._started = 0.0
        self._lock = threading.Lock()
        self._signal = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.restart()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def restart(self) -> None:
        """Watches the folder that now bears the name: events stay with the one that was there before."""
        self._end()
        self._started, self._next_scan = time.monotonic(), 0.0
        if self._events:
            self._stop = threading.Event()
            self._thread = threading.Thread(target=self._collect, args=(self._stop,), name="utad-watch", daemon=True)
            self._thread.start()

    def take(self) -> set[Path] | None:
        """What has changed since the last call; None if the whole folder is to be looked at."""
        with self._lock:
            self._signal.clear()
            changed, self._changed = self._changed, set()
        return None if time.monotonic() >= self._next_scan else changed

    def scanned(self, seconds: float) -> None:
        """Says how long a look at the whole folder took: the next one comes when it costs a tenth of the time."""
        now = time.monotonic()
        pause = max(self._every, 9 * seconds if self._events else 0.0)
        self._next_scan = now + (min(pause, _STARTING_SECONDS) if now < self._started + _STARTING_SECONDS else pause)

    def wait(self, seconds: float | None) -> None:
        """Until something changes, the folder is to be looked at, or so much time has gone by; None for no limit."""
        until_scan = max(0.0, self._next_scan - time.monotonic())
        self._signal.wait(until_scan if seconds is None else min(seconds, until_scan))

    def _end(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5.0)
            self._thread = None

    def _collect(self, stop: threading.Event) -> None:
        """Runs in the thread. Names that are not UTF-8 end the stream of events: then the whole folder is looked at."""
        import watchfiles

        told = False
        while not stop.is_set():
            try:
                for changes in watchfiles.watch(
                    self._folder,
                    watch_filter=None,
                    debounce=_DEBOUNCE_MS,
                    step=_STEP_MS,
                    stop_event=stop,
                    raise_interrupt=False,
                ):
                    self._add({Path(path) for change, path in changes if change != watchfiles.Change.deleted})
            except RuntimeError as error:  # the package's own, which it does not export, is one
                _LOGGER.debug("%s: events begin again: %s", self._folder, error)
                pause = _RESTART_SECONDS
            except OSError as error:
                if not told:
                    _LOGGER.warning(
                        "%s: no events (%s): looking every %g s; --poll SECONDS sets another time",
                        *(self._folder, error, self._every),
                    )
                told, pause = True, self._every
            else:
                return
            self._started = time.monotonic() + pause
            self._add(None)
            stop.wait(pause)

    def _add(self, paths: set[Path] | None) -> None:
        with self._lock:
            if paths is None or self._changed is None or len(self._changed) + len(paths) > _MOST_PATHS:
                self._changed = None
            else:
                self._changed |= paths
            self._signal.set()
