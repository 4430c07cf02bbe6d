"""Requests by the thousand: whether memory grows with them, and whether the metrics count as the client does."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from measuring.clients import Outcome, Request, form_of, send_all, so_many
from measuring.served import MODEL, ServedProcess
from measuring.targets import at_least, at_most, below

SETTLE_SECONDS = 5.0
"""In which the last requests are counted: that comes after their answers."""

DAMAGED = Request(b"\xff\xd8\xff no image follows")
UNKNOWN = Request(b"no matter what", path="/v1/predict?model=unknown")


@dataclass(frozen=True)
class Series:
    """How many requests.

    Attributes:
        requests: that are counted.
        warm_up: before them, while caches fill, and the memory that the C library keeps for each thread.
        parts: after each of which memory is looked at, while nothing is in hand.
        clients: at a time.
    """

    requests: int = 10_000
    warm_up: int = 3000
    parts: int = 50
    clients: int = 4


def mixed(requests: Sequence[Request]) -> list[Request]:
    """Fifty requests in a row: most of one image, some of several, some of those damaged, one for an unknown model."""
    row = [requests[index % len(requests)] for index in range(50)]
    several = form_of([requests[0].body, DAMAGED.body, requests[-1].body])
    row[10], row[20], row[30], row[40] = several, DAMAGED, several, UNKNOWN
    return row


def inject(server: ServedProcess, requests: Sequence[Request], series: Series) -> dict[str, Any]:
    """Sends the requests and looks at memory and metrics.

    Args:
        server: that is ready, and that nobody else asks.
        requests: of one image each, sent over and over, with others among them.
        series: how many.

    Returns:
        What `requirements` judges.
    """
    row = mixed(requests)
    send_all(server.port, so_many(row, series.warm_up), series.clients)
    time.sleep(0.5)
    before, sent = server.metrics(), list[Outcome]()
    memory: dict[str, list[int]] = {}
    ends = [series.requests * (part + 1) // series.parts for part in range(series.parts)]
    for end in ends:
        turns = so_many(row, end - len(sent), first=len(sent))
        sent += send_all(server.port, turns, series.clients)
        for name, kilobytes in server.resources().memory.items():
            memory.setdefault(name, []).append(kilobytes)
    expected = counted_by_client(sent)
    until = time.monotonic() + SETTLE_SECONDS
    while True:
        after = server.metrics()
        counted = {name: after.get(name, 0.0) - before.get(name, 0.0) for name in expected}
        if counted == expected or time.monotonic() > until:
            break
        time.sleep(0.1)
    return {
        "requests": len(sent),
        "statuses": dict(sorted(Counter(str(outcome.status) for outcome in sent).items())),
        "without_answer": sum(outcome.status == 0 for outcome in sent),
        "memory_mb": {
            name: [round(value / 1024, 1) for value in (values[0], values[-1])] for name, values in memory.items()
        },
        "memory_slope": {name: round(slope_of(ends[: len(values)], values), 5) for name, values in memory.items()},
        "restarts": after["utad_worker_restarts"],
        "totals": {name: [value, counted[name]] for name, value in expected.items()},
    }


def counted_by_client(sent: Sequence[Outcome]) -> dict[str, float]:
    """What the metrics should have grown by, by the names of `ServedProcess.metrics`."""
    statuses = Counter(outcome.status for outcome in sent)
    bands = Counter(band for outcome in sent for band in outcome.bands)
    expected = {
        f"utad_requests_total{{method=POST,route=/v1/predict,status={status}}}": number
        for status, number in sorted(statuses.items())
    }
    expected |= {f"utad_images_total{{band={band},model={MODEL}}}": number for band, number in sorted(bands.items())}
    expected["utad_request_seconds_count{route=/v1/predict}"] = len(sent)
    expected[f"utad_pred_score_count{{model={MODEL}}}"] = bands.total() - bands["unreadable"]
    expected[f"utad_batch_size_sum{{model={MODEL}}}"] = bands.total()
    return {name: float(number) for name, number in expected.items()}


def slope_of(requests: Sequence[int], kilobytes: Sequence[float]) -> float:
    """Growth over all of the requests by the line of least squares, as a share of the mean."""
    slope = statistics.linear_regression(requests, kilobytes).slope
    return slope * requests[-1] / statistics.fmean(kilobytes)


def requirements(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What has to hold, and whether it did."""
    differing = sum(client != server for client, server in found["totals"].values())
    return [
        at_least("many requests: answered with 200", 1, found["statuses"].get("200", 0), ""),
        at_most("many requests: without an answer", 0, found["without_answer"], ""),
        at_most("many requests: workers lost", 0, found["restarts"], ""),
        *(
            below(f"many requests: growth of resident memory, {name}", 1.0, round(100 * slope, 3), "%")
            for name, slope in found["memory_slope"].items()
        ),
        at_most(f"many requests: of {len(found['totals'])} totals, not as the client counts", 0, differing, ""),
    ]
