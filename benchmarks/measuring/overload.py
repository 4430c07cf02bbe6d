"""More load than a server can take: what becomes of the surplus, of what is accepted, and of the server afterwards."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from measuring import health_probe
from measuring.clients import Client, Outcome, Request, at_rate, for_seconds, send_all, so_many
from measuring.served import START_SECONDS, ServedProcess
from measuring.targets import at_least, at_most, below
from measuring.timing import percentile

PROBE_SECONDS = 0.05
REFUSALS = (429, 503)
LATE = "the deadline passed"
"""What the server says to a request that it accepted and could not answer in time."""

AS_BEFORE = 20
"""Answers one after the other, as quick as before the load, that make the server normal again."""

LONGEST_RECOVERY = 30.0


@dataclass(frozen=True)
class Load:
    """How much is sent, and for how long.

    Attributes:
        seconds: of the load.
        times: the sustainable load.
        sustained_seconds: for which that is measured.
        clients: of the load; more than the server has room for, so that some are free to send the surplus.
        before: requests, one after the other, that say what is normal; as many are sent to warm up.
        held_seconds: for which the workers are stopped before their warm-up inference.
        deadline: seconds in which the server has to answer what it accepts; its own option.
    """

    seconds: float = 60.0
    times: float = 4.0
    sustained_seconds: float = 15.0
    clients: int = 160
    before: int = 200
    held_seconds: float = 2.0
    deadline: float = 30.0


def inject(server: ServedProcess, requests: Sequence[Request], load: Load) -> dict[str, Any]:
    """Starts a server with its workers held up, measures what it sustains, sends more than that, and lets it recover.

    Args:
        server: that has just been started.
        requests: of one image each, sent over and over.
        load: how much.

    Returns:
        What `requirements` judges.
    """
    ends = {}
    with probing(server.port) as probe:
        start = _held_up(server, requests[0], load.held_seconds)
        bound = int(server.metrics()["utad_queue_bound"])
        ends["start"] = time.perf_counter()
        # Not timed: the runtime compiles a graph for the first batch.
        send_all(server.port, so_many(requests, load.before), bound // 2)
        sustained = sustained_rate(server.port, requests, load.sustained_seconds, clients=bound // 2)
        before = send_all(server.port, so_many(requests, load.before), 1)
        p99_before = percentile([outcome.seconds for outcome in before], 99)
        ends["sustainable load"] = time.perf_counter()
        sent = send_all(server.port, at_rate(requests, load.times * sustained, load.seconds), load.clients)
        ends["overload"] = time.perf_counter()
        recovery = _seconds_until_normal(server.port, requests[0], 2 * p99_before, after=sent[-1].begun)
        ends["after it"] = time.perf_counter()
    return {
        "start": start,
        "sustained_per_second": round(sustained, 2),
        "times": load.times,
        "p99_before_ms": round(1000 * p99_before, 2),
        "not_answered_before": sum(outcome.status != 200 for outcome in before),
        "deadline_seconds": load.deadline,
        **of_load(sent, load.seconds, deadline=load.deadline),
        "recovery_seconds": recovery,
        "queue_bound": bound,
        "queue_largest": max(probe["queue"], default=None),
        "live_probes": len(probe["live"]),
        "live_median_ms": statistics.median(milliseconds for _, milliseconds in probe["live"]),
        "live_longest_ms": longest_by(ends, probe["live"]),
        "live_failed": len(probe["failed"]),
        "live_failures": probe["failed"][:5],
    }


def of_load(sent: Sequence[Outcome], seconds: float, *, deadline: float) -> dict[str, Any]:
    """What became of the requests of a load that was to take so many seconds."""
    taken = max(seconds, sent[-1].begun - sent[0].begun)
    accepted = [outcome for outcome in sent if outcome.status == 200]
    refused = [outcome for outcome in sent if outcome.status in REFUSALS]
    late = [outcome for outcome in refused if outcome.error.startswith(LATE)]
    times = [outcome.seconds for outcome in accepted]
    return {
        "offered_per_second": round(len(sent) / taken, 2),
        "answered_per_second": round(len(accepted) / taken, 2),
        "statuses": dict(sorted(Counter(str(outcome.status) for outcome in sent).items())),
        "refused": len(refused),
        "without_retry_after": sum(not outcome.retry_after for outcome in refused),
        "late": len(late) + sum(waited > deadline for waited in times),
        "p50_accepted_ms": round(1000 * percentile(times, 50), 2) if times else None,
        "longest_accepted_ms": round(1000 * max(times), 2) if times else None,
        "others": sum(outcome.status not in (200, *REFUSALS) for outcome in sent),
        "first_others": [f"{one.status} {one.error}" for one in sent if one.status not in (200, *REFUSALS)][:5],
    }


def requirements(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What has to hold, and whether it did."""
    start, offered = found["start"], found["offered_per_second"] / found["sustained_per_second"]
    return [
        at_least("start: answers of readiness that are no, while no warm-up has passed", 1, start["unready"], ""),
        at_most("start: answers of readiness that are yes before that", 0, start["ready_too_early"], ""),
        at_most(
            "start: images scored before that, or refused without 503 and Retry-After", 0, start["taken_early"], ""
        ),
        at_most("start: of the first 5 requests after it, not answered with 200", 0, start["first_failed"], ""),
        at_least("overload: offered load over the sustainable one", 0.95 * found["times"], round(offered, 2), ""),
        at_least("overload: requests refused", 1, found["refused"], ""),
        at_most("overload: refusals without Retry-After", 0, found["without_retry_after"], ""),
        at_most("overload: answers other than 200, 429 and 503, or none", 0, found["others"], ""),
        at_least(
            "overload: requests answered a second",
            0.5 * found["sustained_per_second"],
            found["answered_per_second"],
            "/s",
        ),
        at_most("overload: accepted requests that missed their deadline", 0, found["late"], ""),
        at_most("overload: images in the queue", found["queue_bound"], found["queue_largest"], ""),
        at_most("overload: until it is as before", 5.0, found["recovery_seconds"], "s"),
        below("overload: longest answer of the liveness", 200.0, max(found["live_longest_ms"].values()), "ms"),
        at_most("overload: liveness not answered with 200", 0, found["live_failed"], ""),
    ]


def sustained_rate(port: int, requests: Sequence[Request], seconds: float, *, clients: int) -> float:
    """Requests a second that are answered while there is always another one waiting."""
    begun = time.perf_counter()
    sent = send_all(port, for_seconds(requests, seconds), clients)
    return sum(outcome.status == 200 for outcome in sent) / (time.perf_counter() - begun)


def longest_by(ends: Mapping[str, float], live: Sequence[tuple[float, float]]) -> dict[str, float]:
    """The longest answer of each phase, by when it ended; the last has no end.

    Args:
        ends: of the phases, in their order, on the clock of the moments.
        live: moment and milliseconds of each answer.
    """
    longest: dict[str, float] = {}
    for moment, milliseconds in live:
        phase = next((name for name, end in ends.items() if moment <= end), list(ends)[-1])
        longest[phase] = max(milliseconds, longest.get(phase, 0.0))
    return longest


@contextmanager
def probing(port: int) -> Iterator[dict[str, Any]]:
    """Asks for the health meanwhile, in a process of its own; what it found is there after the block."""
    found: dict[str, Any] = {}
    command = [sys.executable, health_probe.__file__, str(port), str(PROBE_SECONDS)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8")
    try:
        yield found
    finally:
        text, _ = process.communicate()  # closes its stdin, which ends it
    found.update(json.loads(text))


def _held_up(server: ServedProcess, request: Request, seconds: float) -> dict[str, Any]:
    """Stops the workers before their warm-up inference, asks for readiness and scores, and lets them go on."""
    client = Client(server.port)
    server.wait_for(lambda: bool(server.workers), START_SECONDS, "starting workers")
    held: set[int] = set()
    unready = early = taken = 0
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        for worker in set(server.workers) - held:
            os.kill(worker, signal.SIGSTOP)
            held.add(worker)
        ready = health_probe.asked(server.port, "/v2/health/ready")[0] == 200
        outcome = client.send(request)
        unready, early = unready + (not ready), early + ready
        taken += not (outcome.status == 503 and outcome.retry_after)
        time.sleep(0.02)
    for worker in held:
        os.kill(worker, signal.SIGCONT)
    server.wait_for(
        lambda: health_probe.asked(server.port, "/v2/health/ready")[0] == 200, START_SECONDS, "ready after its warm-up"
    )
    first = [client.send(request) for _ in range(5)]
    client.close()
    return {
        "unready": unready,
        "ready_too_early": early,
        "taken_early": taken,
        "first_failed": sum(outcome.status != 200 for outcome in first),
        "first_ms": [round(1000 * outcome.seconds, 2) for outcome in first],
    }


def _seconds_until_normal(port: int, request: Request, limit: float, *, after: float) -> float | None:
    """From a moment until a series of answers begins that are all quick again; None if none does."""
    client, good = Client(port), 0
    since = time.perf_counter()
    try:
        while since - after < LONGEST_RECOVERY:
            outcome = client.send(request)
            if outcome.status == 200 and outcome.seconds <= limit:
                good += 1
            else:
                since, good = time.perf_counter(), 0
            if good == AS_BEFORE:
                return round(since - after, 2)
        return None
    finally:
        client.close()
