"""Clients of a server: each a thread with a connection of its own, which all take their turns from one line."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from itertools import count as counting
from itertools import islice
from threading import Lock

from measuring.served import MODEL

_TIMEOUT = 120.0
_FRESH_SECONDS = 2.0
"""Idle for longer, a connection is not used again: the server may be closing it."""

BOUNDARY = "utad-benchmark"
FORM = f"multipart/form-data; boundary={BOUNDARY}"
FORM_HEAD = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="images"; filename="image.jpg"\r\n\r\n'.encode()
"""Of each file of such a form."""


@dataclass(frozen=True)
class Request:
    """What is sent: a body to a path."""

    body: bytes
    path: str = f"/v1/predict?model={MODEL}"
    content_type: str = "application/octet-stream"


@dataclass(frozen=True)
class Outcome:
    """What became of a request.

    Attributes:
        begun: on the clock of `time.perf_counter`.
        seconds: to the end of the answer.
        status: of the answer; 0 where there was none.
        error: that the answer names, or why there was none.
        retry_after: whether the answer says when to come again.
        bands: of the images, as the answer has them; `unreadable` for one without.
    """

    begun: float
    seconds: float
    status: int
    error: str = ""
    retry_after: bool = False
    bands: tuple[str, ...] = ()


@dataclass(frozen=True)
class Turn:
    """A request, and when it is due on the clock of `time.perf_counter`; what is overdue is sent at once."""

    request: Request
    due: float = -math.inf


@dataclass
class Client:
    """One connection to a server, opened when it is needed.

    Attributes:
        port: on loopback.
    """

    port: int
    _connection: HTTPConnection = field(init=False)
    _used: float = field(init=False, default=-math.inf)

    def __post_init__(self) -> None:
        self._connection = HTTPConnection("127.0.0.1", self.port, timeout=_TIMEOUT)

    def send(self, request: Request) -> Outcome:
        """Sends a request and waits for the answer; that there is none is an outcome too."""
        begun = time.perf_counter()
        if begun - self._used > _FRESH_SECONDS:
            self.close()
        try:
            self._connection.request("POST", request.path, request.body, {"Content-Type": request.content_type})
            answer = self._connection.getresponse()
            body = answer.read()
        except (OSError, HTTPException) as error:
            self.close()
            return Outcome(begun, time.perf_counter() - begun, 0, f"{type(error).__name__}: {error}")
        self._used = time.perf_counter()
        said = json.loads(body)
        return Outcome(
            begun,
            self._used - begun,
            answer.status,
            error=said.get("error", ""),
            retry_after=answer.headers.get("Retry-After", "").isdecimal(),
            bands=tuple(prediction.get("band", "unreadable") for prediction in said.get("predictions", ())),
        )

    def close(self) -> None:
        """Ends the connection."""
        self._connection.close()


def send_all(port: int, turns: Iterator[Turn], clients: int) -> list[Outcome]:
    """Sends every request, each by the next client that is free, and returns what became of them in their order.

    Args:
        port: of the server, on loopback.
        turns: may end at a time that they choose.
        clients: so many, each of which waits for its answer before it takes the next turn.
    """
    lock, outcomes = Lock(), list[Outcome]()

    def one_client() -> None:
        client = Client(port)
        try:
            while True:
                with lock:
                    turn = next(turns, None)
                if turn is None:
                    return
                time.sleep(max(0.0, turn.due - time.perf_counter()))
                outcome = client.send(turn.request)
                with lock:
                    outcomes.append(outcome)
        finally:
            client.close()

    with ThreadPoolExecutor(clients) as threads:
        for done in [threads.submit(one_client) for _ in range(clients)]:
            done.result()
    return sorted(outcomes, key=lambda outcome: outcome.begun)


def so_many(requests: Sequence[Request], number: int, *, first: int = 0) -> Iterator[Turn]:
    """The requests over and over, a number of turns, from the given one on."""
    return (Turn(requests[index % len(requests)]) for index in range(first, first + number))


def for_seconds(requests: Sequence[Request], seconds: float) -> Iterator[Turn]:
    """The requests over and over, until the time is over."""
    until = time.perf_counter() + seconds
    for index in counting():
        if time.perf_counter() >= until:
            return
        yield Turn(requests[index % len(requests)])


def at_rate(requests: Sequence[Request], rate: float, seconds: float) -> Iterator[Turn]:
    """The requests over and over, so many a second, whatever becomes of those before them."""
    begun = time.perf_counter()
    due = (begun + index / rate for index in counting())
    for index, moment in enumerate(islice(due, max(1, round(rate * seconds)))):
        yield Turn(requests[index % len(requests)], moment)


def form_of(files: Sequence[bytes]) -> Request:
    """A request of several image files."""
    parts = [FORM_HEAD + file + b"\r\n" for file in files]
    body = b"".join([*parts, f"--{BOUNDARY}--\r\n".encode()])
    return Request(body, content_type=FORM)
