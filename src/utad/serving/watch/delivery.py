"""Messages about results, sent from threads of their own: in order, a few times each, never in the way of scoring."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Protocol, Self

from utad.evaluation.prediction_tables import json_line
from utad.serving.watch.table import Row

_LOGGER = logging.getLogger(__name__)

PAUSES = (1.0, 2.0, 4.0, 8.0)
"""Seconds before each further trial of a message."""

WAITING = 1000
"""Most messages that wait for a receiver; what comes then is not sent to it, and counted."""

END_SECONDS = 30.0
"""For what still waits when there is nothing more to score."""

STOP_SECONDS = 3.0
"""For what still waits when a signal or an error ends the watch."""

_LOG_SECONDS = 60.0


class DeliveryError(Exception):
    """A message was not taken.

    Args:
        reason: for the log.
        final: the receiver will not take it at another time either.
    """

    def __init__(self, reason: str, *, final: bool = False) -> None:
        super().__init__(reason)
        self.final = final


class Channel(Protocol):
    """Where messages go.

    Attributes:
        name: for the log, without secrets.
    """

    name: str

    def send(self, message: bytes) -> None:
        """Sends a JSON object, and returns when it was taken; within seconds either way.

        Raises:
            DeliveryError: if it was not.
        """

    def close(self) -> None:
        """Lets go of the connection."""


class Deliveries:
    """Sends the rows of results to channels, from the beginning of the block to its end.

    Args:
        channels: each has a thread of its own.
        pauses: seconds before each further trial of a message.
        waiting: most messages that wait for one channel.
    """

    def __init__(
        self, channels: Sequence[Channel], *, pauses: Sequence[float] = PAUSES, waiting: int = WAITING
    ) -> None:
        self._senders = [_Sender(channel, tuple(pauses), waiting) for channel in channels]

    def __enter__(self) -> Self:
        for sender in self._senders:
            sender.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        deadline = time.monotonic() + (END_SECONDS if kind is None else STOP_SECONDS)
        for sender in self._senders:
            sender.end(deadline)

    def add(self, rows: Sequence[Row]) -> None:
        """Sends results, later."""
        for row in rows:
            message = json_line(row).rstrip(b"\n")
            for sender in self._senders:
                sender.add(message)

    @property
    def n_undelivered(self) -> int:
        """Messages that were given up, or not tried."""
        return sum(sender.n_undelivered for sender in self._senders)


class _Sender:
    def __init__(self, channel: Channel, pauses: tuple[float, ...], waiting: int) -> None:
        self.n_undelivered = 0
        self._channel = channel
        self._pauses = pauses
        self._most = waiting
        self._messages: deque[bytes] = deque()
        self._changed = threading.Condition()
        self._ending = False
        self._given_up = threading.Event()
        self._last_log = -_LOG_SECONDS
        self._thread = threading.Thread(target=self._run, name=f"utad-{channel.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def add(self, message: bytes) -> None:
        with self._changed:
            if len(self._messages) < self._most:
                self._messages.append(message)
                self._changed.notify()
                return
            self.n_undelivered += 1
        self._log(f"{self._most} messages wait already")

    def end(self, deadline: float) -> None:
        """Sends what waits until a time on the monotonic clock, and counts the rest."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        self._thread.join(max(0.0, deadline - time.monotonic()))
        self._given_up.set()
        self._thread.join(0.5)
        with self._changed:
            left, self.n_undelivered = len(self._messages), self.n_undelivered + len(self._messages)
            self._messages.clear()
        if left:
            _LOGGER.warning("%s: %d messages were not sent before the end", self._channel.name, left)
        with suppress(Exception):  # of a connection that is of no use any more
            self._channel.close()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._messages and not self._ending:
                    self._changed.wait()
                if not self._messages or self._given_up.is_set():
                    return
                message = self._messages[0]
            taken = self._deliver(message)
            with self._changed:
                # Taken out after it was sent: what is in work at the end counts as not sent.
                if self._messages and self._messages[0] is message and (taken or not self._given_up.is_set()):
                    self._messages.popleft()
                    self.n_undelivered += not taken

    def _deliver(self, message: bytes) -> bool:
        for pause in (*self._pauses, None):
            try:
                self._channel.send(message)
                return True
            except DeliveryError as error:
                reason, final = str(error), error.final
            except Exception as error:  # a library's own; the thread must outlive it
                reason, final = f"{type(error).__name__}: {error}", False
            if pause is None or final or self._given_up.wait(pause):
                break
        self._log(reason)
        return False

    def _log(self, reason: str) -> None:
        """At most once a minute: a receiver that is down for a night must not fill the disk."""
        if time.monotonic() - self._last_log >= _LOG_SECONDS:
            self._last_log = time.monotonic()
            _LOGGER.warning("%s: a message was not delivered: %s", self._channel.name, reason)
