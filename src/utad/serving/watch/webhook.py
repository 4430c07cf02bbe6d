"""A message as an HTTP POST."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from typing import IO, Any
from urllib.parse import urlsplit

from utad.errors import ConfigError
from utad.serving.watch.delivery import DeliveryError

TIMEOUT = 10.0
"""Seconds for a connection, and for each answer."""

_WORTH_TRYING = (408, 425, 429)
"""Of the answers that blame the request, those that another time can mend."""


class Webhook:
    """Posts each message as `application/json`; any 2xx answer takes it, and a redirection does not.

    Args:
        url: http or https.
        timeout: in seconds.

    Raises:
        ConfigError: if it is no such address.
    """

    def __init__(self, url: str, *, timeout: float = TIMEOUT) -> None:
        try:
            parts = urlsplit(url)
            valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            valid = False
        if not valid or "@" in parts.netloc:
            raise ConfigError(
                f"got --webhook {url}, expected an address such as http://127.0.0.1:8080/results, without a user name "
                "or password"
            )
        # What stands behind the host may be a secret.
        self.name = f"webhook {parts.scheme}://{parts.netloc}"
        self._url = url
        self._timeout = timeout
        self._opener = urllib.request.build_opener(_NoRedirection)

    def send(self, message: bytes) -> None:
        """Posts a message.

        Raises:
            DeliveryError: if the answer is not 2xx, or there is none.
        """
        request = urllib.request.Request(
            self._url, data=message, headers={"Content-Type": "application/json"}, method="POST"
        )
        try:
            with self._opener.open(request, timeout=self._timeout):
                pass
        except urllib.error.HTTPError as error:
            error.close()
            final = 300 <= error.code < 500 and error.code not in _WORTH_TRYING
            raise DeliveryError(f"the answer was {error.code} {error.reason}", final=final) from error
        except (OSError, http.client.HTTPException) as error:
            raise DeliveryError(str(getattr(error, "reason", "") or error or type(error).__name__)) from error

    def close(self) -> None:
        """Nothing is kept open."""


class _NoRedirection(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> None:
        del req, fp, code, msg, headers, newurl
