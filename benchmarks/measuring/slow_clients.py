"""Clients that send slowly, or go in the middle of an upload: what others notice of them, and what they leave."""

from __future__ import annotations

import select
import socket
import struct
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Event, Thread
from types import TracebackType
from typing import Any, Self

from measuring.clients import FORM, FORM_HEAD, Outcome, Request, send_all, so_many
from measuring.served import MODEL, Resources, ServedProcess
from measuring.targets import at_least, at_most, below
from measuring.timing import percentile

BODY_BYTES = 1_000_000
"""That each of them says it will send; none ever does."""

PIECE = b"x" * 512
DRIP_SECONDS = 0.5
"""Between two pieces of a slow client."""

_TIMEOUT = 30.0
GONE_SECONDS = 15.0
"""In which descriptors and threads have to be as before."""


@dataclass(frozen=True)
class Crowd:
    """How many clients, and how long.

    Attributes:
        slow: at a time.
        disconnects: in each round.
        rounds: each without these clients and with them, in turn.
        requests: of the others in each half of a round.
        clients: that send these.
    """

    slow: int = 100
    disconnects: int = 100
    rounds: int = 5
    requests: int = 400
    clients: int = 2


@dataclass
class BadClients:
    """Sends slowly on many connections and breaks others off, until the end of the block.

    Attributes:
        port: of the server, on loopback.
        crowd: how many.
        seconds: over which the disconnects are spread.
        broken_off: uploads, so far; every other one with a reset.
        ended: slow uploads, by the server; each was begun anew.
    """

    port: int
    crowd: Crowd
    seconds: float
    broken_off: int = 0
    ended: int = 0
    _slow: list[socket.socket] = field(default_factory=list)
    _ending: Event = field(default_factory=Event)
    _thread: Thread = field(init=False)

    def __enter__(self) -> Self:
        self._slow = [self._begun(form=index % 2 == 1) for index in range(self.crowd.slow)]
        self._thread = Thread(target=self._go_on, name="bad clients")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._thread.join()
        for connection in self._slow:
            connection.close()

    def _go_on(self) -> None:
        """Every client in its turn, evenly over the time; what is left to break off at the end is broken off then."""
        begun, dripped = time.monotonic(), 0
        while not self._ending.is_set() or self.broken_off < self.crowd.disconnects:
            gone = time.monotonic() - begun
            share = 1.0 if self._ending.is_set() else min(1.0, gone / self.seconds)
            if self.broken_off < share * self.crowd.disconnects:
                self._break_off(form=self.broken_off % 4 > 1)
            elif dripped < self.crowd.slow * gone / DRIP_SECONDS:
                index = dripped % self.crowd.slow
                self._slow[index] = self._dripped(self._slow[index])
                dripped += 1
            else:
                self._ending.wait(0.001)

    def _begun(self, *, form: bool) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=_TIMEOUT)
        kind = FORM if form else "application/octet-stream"
        head = f"POST /v1/predict?model={MODEL} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\n"
        connection.sendall(f"{head}Content-Length: {BODY_BYTES}\r\n\r\n".encode() + (FORM_HEAD if form else b""))
        return connection

    def _dripped(self, connection: socket.socket) -> socket.socket:
        if not select.select([connection], [], [], 0.0)[0]:  # Nothing to read: the server waits for more.
            with suppress(OSError):
                connection.sendall(PIECE)
                return connection
        connection.close()
        self.ended += 1
        return self._begun(form=False)

    def _break_off(self, *, form: bool) -> None:
        with self._begun(form=form) as connection:
            connection.sendall(b"x" * (BODY_BYTES // 2))
            if self.broken_off % 2:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.broken_off += 1


def inject(server: ServedProcess, requests: Sequence[Request], crowd: Crowd) -> dict[str, Any]:
    """Sends requests without and with bad clients, in turn.

    Args:
        server: that is ready.
        requests: of one image each, sent over and over.
        crowd: how many.

    Returns:
        What `requirements` judges.
    """
    send_all(server.port, so_many(requests, crowd.requests), crowd.clients)
    time.sleep(0.5)
    before = server.resources()
    seconds: dict[str, list[float]] = {"without": [], "with": []}
    failed: Counter[str] = Counter()
    broken_off = ended = 0
    at_a_time, left = [], []
    for _ in range(crowd.rounds):
        begun = time.perf_counter()
        outcomes = send_all(server.port, so_many(requests, crowd.requests), crowd.clients)
        seconds["without"] += _seconds_of(outcomes, failed)
        with BadClients(server.port, crowd, time.perf_counter() - begun) as bad:
            outcomes = send_all(server.port, so_many(requests, crowd.requests), crowd.clients)
            at_a_time.append(server.metrics()["utad_requests_in_hand"])
        seconds["with"] += _seconds_of(outcomes, failed)
        broken_off, ended = broken_off + bad.broken_off, ended + bad.ended
        left.append(_left_after(server, before))
    p99 = {name: percentile(values, 99) for name, values in seconds.items()}
    return {
        "slow": crowd.slow,
        "disconnects": crowd.disconnects,
        "rounds": crowd.rounds,
        "slow_at_a_time": min(at_a_time),
        "broken_off": broken_off,
        "slow_ended_by_the_server": ended,
        "requests": {name: len(values) for name, values in seconds.items()},
        "failed": dict(failed),
        "p50_ms": {name: round(1000 * percentile(values, 50), 2) for name, values in seconds.items()},
        "p99_ms": {name: round(1000 * value, 2) for name, value in p99.items()},
        "p99_ratio": round(p99["with"] / p99["without"], 3),
        "descriptors_before": before.descriptors,
        "descriptors_left": max(descriptors for descriptors, _ in left),
        "threads_before": before.threads,
        "threads_left": max(threads for _, threads in left),
        "in_hand_left": server.metrics()["utad_requests_in_hand"],
    }


def requirements(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What has to hold, and whether it did."""
    return [
        at_least("slow clients: uploads under way", found["slow"], found["slow_at_a_time"], ""),
        at_least("slow clients: uploads broken off", found["disconnects"] * found["rounds"], found["broken_off"], ""),
        below("slow clients: p99 of the others over that without them", 2.0, found["p99_ratio"], ""),
        at_most("slow clients: requests of the others not answered with 200", 0, sum(found["failed"].values()), ""),
        at_most("slow clients: descriptors left open", 0, found["descriptors_left"], ""),
        at_most("slow clients: threads left", 0, found["threads_left"], ""),
        at_most("slow clients: requests left in hand", 0, found["in_hand_left"], ""),
    ]


def _seconds_of(outcomes: Sequence[Outcome], failed: Counter[str]) -> list[float]:
    failed.update(f"{outcome.status} {outcome.error}" for outcome in outcomes if outcome.status != 200)
    return [outcome.seconds for outcome in outcomes]


def _left_after(server: ServedProcess, before: Resources) -> tuple[int, int]:
    """Descriptors and threads beyond those of before, once they are as few or the time is over."""
    until = time.monotonic() + GONE_SECONDS
    while True:
        now = server.resources()
        left = now.descriptors - before.descriptors, now.threads - before.threads
        if max(left) <= 0 or time.monotonic() > until:
            return max(0, left[0]), max(0, left[1])
        time.sleep(0.1)
