"""One worker process and the pipe to it: started, asked, and ended when it is lost."""

from __future__ import annotations

import math
import multiprocessing
import time
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

from utad.errors import UTADError
from utad.serving.messages import Load, Loaded, ModelKey, Run, Scored, Task, Unload
from utad.serving.worker import work

LOADING_SECONDS = 120.0
"""For a model to be loaded; a worker that takes longer counts as lost."""

_END_SECONDS = 5.0

_LOOK_SECONDS = 0.25
"""Between two looks at the time; so much later than it should a worker may be ended."""


class WorkerLostError(UTADError):
    """A worker process ended, or does not answer in time."""


class WorkerProcess:
    """A worker, seen from the thread that feeds it. Closing it ends the process.

    The process is spawned: a fork would take along the threads and locks of the server.

    Args:
        threads: that it computes with.
        max_pixels: of an image.
    """

    def __init__(self, *, threads: int, max_pixels: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self.loaded: set[ModelKey] = set()
        self._process = context.Process(
            target=work, args=(theirs, threads, max_pixels), name="utad worker", daemon=True
        )
        self._process.start()
        # Without a copy here the pipe ends with the process that has the other.
        theirs.close()
        self._until = math.inf
        self._late = False
        self._closed = Event()
        # One for as long as the worker lives: a timer for each message would start a thread for each.
        Thread(target=self._watch, name=f"watches worker {self.pid}", daemon=True).start()

    @property
    def pid(self) -> int:
        """Of the process."""
        pid = self._process.pid
        assert pid is not None
        return pid

    def load(self, key: ModelKey, folder: Path) -> str | None:
        """Loads a model and returns None, or why that is not possible.

        Raises:
            WorkerLostError: if the worker is lost.
        """
        reply = self._ask(Load(key, folder), LOADING_SECONDS)
        assert isinstance(reply, Loaded)
        if reply.error is None:
            self.loaded.add(key)
        return reply.error

    def unload(self, key: ModelKey) -> None:
        """Lets go of a model.

        Raises:
            WorkerLostError: if the worker is lost.
        """
        self._ask(Unload(key), LOADING_SECONDS)
        self.loaded.discard(key)

    def score(self, key: ModelKey, tasks: tuple[Task, ...], *, until: float) -> Scored:
        """Scores images with a model.

        Args:
            key: of the model.
            tasks: the images.
            until: on the clock of `time.monotonic`; after that the worker counts as lost.

        Raises:
            WorkerLostError: if the worker is lost.
        """
        reply = self._ask(Run(key, tasks), max(0.0, until - time.monotonic()))
        assert isinstance(reply, Scored)
        return reply

    def kill(self) -> None:
        """Ends the process at once, from any thread; who talks to it is told that it is lost."""
        with suppress(ValueError):  # It is closed already.
            self._process.kill()

    def close(self, *, kill: bool = False) -> None:
        """Ends the process, which has nothing in hand, or is to be given up."""
        self._closed.set()
        self._connection.close()
        if kill:
            self._process.kill()
        self._process.join(_END_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process.close()

    def _ask(self, message: Load | Unload | Run, seconds: float) -> Any:
        # Not a poll of the pipe: a worker that hangs may also keep a large message from being sent.
        self._until = time.monotonic() + seconds
        try:
            self._connection.send(message)
            return self._connection.recv()
        except (EOFError, OSError) as error:
            what = f"did not answer within {seconds:.0f} s and was ended" if self._late else "ended unexpectedly"
            raise WorkerLostError(f"worker {self.pid} {what}") from error
        finally:
            self._until = math.inf

    def _watch(self) -> None:
        """Ends the process when it has not answered in time."""
        while not self._closed.wait(_LOOK_SECONDS):
            if time.monotonic() > self._until:
                self._late = True
                self.kill()
                return
