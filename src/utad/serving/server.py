"""The server process: binds, serves, and ends as it is asked to, with nothing that was accepted lost."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType

import uvicorn

from utad.errors import ModelFileError, OutputError
from utad.serving.application import create_app
from utad.serving.feedback import Feedback
from utad.serving.memory import release_memory
from utad.serving.safety import AccessPolicy
from utad.serving.service import Service

_LOGGER = logging.getLogger(__name__)

_KEEP_ALIVE_SECONDS = 5
_LOOK_SECONDS = 0.05
_RELEASE_SECONDS = 5.0
_NOTICE_SECONDS = 1.0
"""After SIGTERM, in which readiness is seen to be false before the server stops listening."""


def run_server(
    service: Service,
    policy: AccessPolicy,
    host: str,
    port: int,
    *,
    started: Callable[[str, int], None],
    feedback: Feedback | None = None,
) -> bool:
    """Serves until SIGINT or SIGTERM. The service is stopped in any case.

    Args:
        service: not started yet.
        policy: who may ask.
        host: address to bind to.
        port: 0 for any that is free.
        started: called with host and port once requests can come; they are refused until a worker is ready.
        feedback: keeps what people say of results; None where nothing is kept.

    Returns:
        Whether all that was accepted was answered within the grace period.

    Raises:
        OutputError: if the address cannot be bound.
        ModelFileError: if a model cannot be loaded.
    """
    with ExitStack() as undoing:
        undoing.callback(service.stop)
        listening = _bound(host, port)
        undoing.pop_all()
    address = listening.getsockname()
    app = create_app(service, policy, feedback=feedback, on_start=lambda: started(host, address[1]))
    server = _Server(app, service)
    server.run(sockets=[listening])
    failures = service.pool.failures
    if server.failed:
        raise ModelFileError("; ".join(failures.values()))
    return server.finished


class _Server(uvicorn.Server):
    """Ends in three steps: readiness is false, what is in hand is finished, then the connections are closed."""

    def __init__(self, app: object, service: Service) -> None:
        super().__init__(
            uvicorn.Config(
                app,  # type: ignore[arg-type]  # its type of an ASGI application is narrower
                log_config=None,
                access_log=False,
                server_header=False,
                date_header=False,
                ws="none",
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            )
        )
        self.failed = False
        self.finished = True
        self._service = service
        self._asked_at: float | None = None
        self._grace = service.settings.grace

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Takes SIGINT and SIGTERM as a wish to end, which is no failure: they are not raised again."""
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begins to end. A second signal changes nothing: the end is near."""
        del sig, frame
        if self._asked_at is None:
            self._asked_at = time.monotonic()
            self._service.drain()

    async def main_loop(self) -> None:
        """Serves until it is to end, and nothing is in hand."""
        beside = [asyncio.ensure_future(self._watch()), asyncio.ensure_future(_release_memory())]
        try:
            await super().main_loop()
        finally:
            for task in beside:
                task.cancel()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            if self._service.pool.failures and not self._service.ready and self._asked_at is None:
                self.failed = True
                self.should_exit = True
            if self._asked_at is None:
                continue
            waited = time.monotonic() - self._asked_at
            self.config.timeout_graceful_shutdown = max(1, int(self._service.grace_left))
            if waited > self._grace:
                _LOGGER.error("%d requests are not answered at the end of the grace period", self._service.in_hand)
                self.finished = False
                self.should_exit = True
            elif waited > _NOTICE_SECONDS and not self._service.in_hand:
                self.should_exit = True


async def _release_memory() -> None:
    while True:
        await asyncio.sleep(_RELEASE_SECONDS)
        release_memory()


def _bound(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # Not socket.create_server: its sockets do not name TCP, and asyncio then leaves Nagle's algorithm on, which
        # with the client's delayed acknowledgements adds 40 ms to every answer.
        with ExitStack() as undoing:
            listening = undoing.enter_context(socket.socket(family, kind, protocol))
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            # From here on clients wait for the server instead of being refused, while its workers are being started.
            listening.listen()
            undoing.pop_all()
        return listening
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"cannot serve at {host}, port {port} ({reason}): choose another (--host, --port)") from None
