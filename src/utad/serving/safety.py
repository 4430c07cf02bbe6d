"""Who may ask, from where, and how much they may send: checked before anything reads a request."""

from __future__ import annotations

import hmac
import ipaddress
import json
import socket
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from utad.errors import ConfigError
from utad.serving.page_files import PAGE_PATHS

OPEN_PATHS = frozenset({"/v2/health/live", "/v2/health/ready"})
"""What a supervisor asks, by whatever name it knows the server and without a token: it tells nothing else."""

_SHORTEST_TOKEN = 16

_HEADERS = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}
"""Of every answer that has not its own."""


class AccessPolicy:
    """Which requests are let in.

    On loopback the name in `Host` has to be one of this machine's loopback names: a page of another site that has its
    name point to 127.0.0.1 gets nothing. On other addresses it has to be an IP address, this machine's name, or one of
    `allowed_hosts`, and the token has to be right.

    Args:
        host: that the server binds to.
        token: that requests have to bring, as `Authorization: Bearer TOKEN`; None asks for none.
        allowed_hosts: further names that the server is reached by.

    Attributes:
        loopback: whether only this machine reaches the host.
        needs_token: whether requests have to bring one.

    Raises:
        ConfigError: if the host is not loopback and there is no token, or a short one.
    """

    def __init__(self, host: str, *, token: str | None = None, allowed_hosts: Sequence[str] = ()) -> None:
        self.loopback = is_loopback(host)
        if not self.loopback and token is None:
            raise ConfigError(
                f"got --host {host}, which others can reach, and no token: give one (--token, or UTAD_TOKEN in the "
                "environment), or stay on 127.0.0.1"
            )
        if token is not None and (len(token) < _SHORTEST_TOKEN or not token.isascii()):
            raise ConfigError(
                f"got a token of {len(token)} characters, expected at least {_SHORTEST_TOKEN}, of ASCII; "
                "python -c 'import secrets; print(secrets.token_urlsafe())' makes one"
            )
        self.needs_token = token is not None
        self._token = None if token is None else token.encode()
        names = {"localhost", host.lower(), *(name.lower() for name in allowed_hosts)}
        self._names = names if self.loopback else names | {socket.gethostname().lower()}

    def refusal(self, path: str, headers: Headers) -> tuple[int, str] | None:
        """Status and reason of refusing a request; None lets it in."""
        if path in OPEN_PATHS:
            return None
        host = headers.get("host", "")
        if not self._known(host):
            return 403, "the name of the server in the Host header is not one that it is known by (--allow-host)"
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return 403, "the request comes from a page of another origin"
        # The page itself holds no data, and asks for the token.
        if self._token is not None and path not in PAGE_PATHS and not self._right(headers.get("authorization", "")):
            return 401, "expected the header Authorization: Bearer TOKEN with the token of this server"
        return None

    def _right(self, authorization: str) -> bool:
        scheme, _, token = authorization.partition(" ")
        given = token.strip().encode("latin-1", "replace")
        return scheme.lower() == "bearer" and self._token is not None and hmac.compare_digest(given, self._token)

    def _known(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name in self._names:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return address.is_loopback if self.loopback else True


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what binds to it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


class Guard:
    """Lets requests through that the policy lets in, and gives every answer the headers of safety.

    Args:
        app: what answers.
        policy: who may ask.
    """

    def __init__(self, app: ASGIApp, policy: AccessPolicy) -> None:
        self._app = app
        self._policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._policy.refusal(scope["path"], Headers(scope=scope))
        if refusal is None:
            await self._app(scope, receive, guarded)
            return
        status, reason = refusal
        body = json.dumps({"error": reason}).encode()
        # What the client goes on sending is not read.
        headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
        headers.append((b"content-length", str(len(body)).encode()))
        if status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        await guarded({"type": "http.response.start", "status": status, "headers": headers})
        await guarded({"type": "http.response.body", "body": body})
