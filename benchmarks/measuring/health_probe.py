"""Asks a server for its health, again and again until stdin ends: `health_probe.py PORT SECONDS`.

A process of its own, since clients that share one keep each other waiting. Imports nothing but the standard library.
Each question has a connection of its own, as those of a supervisor have. Prints one JSON object: of each
answer of the liveness the moment, on the clock of `time.perf_counter`, and the milliseconds; the answers that were not
200; and the values of the queue.
"""

from __future__ import annotations

import json
import re
import select
import sys
import time
from http.client import HTTPConnection, HTTPException

TIMEOUT = 10.0
"""Seconds; who has not answered by then has failed."""

_QUEUE = re.compile(r"^utad_queue_images (\S+)$", re.MULTILINE)


def asked(port: int, path: str) -> tuple[int, float, str]:
    """Status, milliseconds and text of an answer; status 0 where there is none."""
    begun = time.perf_counter()
    connection = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        status, text = answer.status, answer.read().decode()
    except (OSError, HTTPException) as error:
        status, text = 0, f"{type(error).__name__}: {error}"
    finally:
        connection.close()
    return status, 1000 * (time.perf_counter() - begun), text


def watch(port: int, seconds: float) -> dict[str, object]:
    """Every so many seconds one question of each kind, until stdin ends."""
    live, failed, queue = list[tuple[float, float]](), list[str](), list[float]()
    while not select.select([sys.stdin], [], [], seconds)[0]:
        status, milliseconds, text = asked(port, "/v2/health/live")
        live.append((time.perf_counter(), round(milliseconds, 2)))
        if status != 200:
            failed.append(f"{status} {text}"[:200])
        status, _, text = asked(port, "/metrics")
        queue += [float(value) for value in _QUEUE.findall(text)] if status == 200 else []
    return {"live": live, "failed": failed, "queue": queue}


if __name__ == "__main__":
    print(json.dumps(watch(int(sys.argv[1]), float(sys.argv[2]))))
