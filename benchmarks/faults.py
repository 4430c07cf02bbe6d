"""Injects the long faults of serving into `utad serve` in a process of its own, and judges what follows.

    python benchmarks/faults.py [--model RUN] [--only overload ...]

Overload: four times the load that the server sustains, for a minute, after a start with its workers held up. Slow
clients: 100 that send slowly, and 100 that go in the middle of an upload, beside others in rounds with and without
them. Many requests: 10,000, good and bad, while memory is watched and counted is what /metrics counts. Takes about ten
minutes on two cores; nothing else should run meanwhile. Without `--model` a detector with the preset `fast` is trained
for two steps: nothing here depends on what is learnt. Exits with 1 where a requirement is broken, or could not be
judged. `docs/render.py` puts the requirements into docs/deploying.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from measuring import many_requests, overload, slow_clients
from measuring.clients import Request
from measuring.many_requests import Series
from measuring.overload import Load
from measuring.served import ServedProcess
from measuring.slow_clients import Crowd
from measuring.subjects import fit_for_timing, write_jpegs
from utad.evaluation.provenance import commit, machine, versions
from utad.export.runtime import usable_cores

PRESET = "fast"
IMAGES = 32
FAULTS = ("overload", "slow_clients", "many_requests")


@dataclass(frozen=True)
class Settings:
    """Of each fault; by default those that reliability asks for."""

    load: Load = field(default_factory=Load)
    crowd: Crowd = field(default_factory=Crowd)
    series: Series = field(default_factory=Series)


@dataclass(frozen=True)
class Fault:
    """What is done to a server, and what is asked of the figures that come of it."""

    inject: Callable[[ServedProcess, Sequence[Request]], dict[str, Any]]
    requirements: Callable[[Mapping[str, Any]], list[dict[str, Any]]]
    from_start: bool = False


def faults_of(settings: Settings) -> dict[str, Fault]:
    """Every fault by its name."""
    found = (
        Fault(partial(overload.inject, load=settings.load), overload.requirements, from_start=True),
        Fault(partial(slow_clients.inject, crowd=settings.crowd), slow_clients.requirements),
        Fault(partial(many_requests.inject, series=settings.series), many_requests.requirements),
    )
    return dict(zip(FAULTS, found, strict=True))


def measure(model: Path, requests: Sequence[Request], settings: Settings, only: Sequence[str]) -> dict[str, Any]:
    """Every fault that is asked for, each on a server of its own: figures, and requirements as targets.

    Args:
        model: a run or an exported folder.
        requests: of one image each.
        settings: of each fault.
        only: the names of the faults.
    """
    figures, targets = {}, []
    for name in only:
        fault = faults_of(settings)[name]
        with (
            tempfile.TemporaryDirectory() as folder,
            ServedProcess(model, "--deadline", str(settings.load.deadline), log=Path(folder) / "log") as server,
        ):
            if not fault.from_start:
                server.wait_until_ready()
            figures[name] = {**fault.inject(server, requests), "log": server.log.splitlines()[:5]}
        targets += fault.requirements(figures[name])
        print(name, json.dumps(figures[name]), flush=True)
    return {"figures": figures, "targets": targets}


def held(document: Mapping[str, Any]) -> bool:
    """Whether every requirement was judged and holds."""
    return bool(document["targets"]) and all(row["met"] is True for row in document["targets"])


def requests_of(folder: Path) -> list[Request]:
    """Images like a camera's, each as a request."""
    return [Request(file.read_bytes()) for file in write_jpegs(folder, IMAGES)]


def arguments_of(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    known = Settings()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--model", type=Path, help="a run or an exported folder; a short training makes one if not given"
    )
    parser.add_argument("--only", nargs="+", choices=FAULTS, default=FAULTS, help="all unless given")
    parser.add_argument("--seconds", type=float, default=known.load.seconds, help="of the overload")
    parser.add_argument("--times", type=float, default=known.load.times, help="the sustainable load")
    parser.add_argument("--sustained-seconds", type=float, default=known.load.sustained_seconds)
    parser.add_argument("--slow", type=int, default=known.crowd.slow, help="clients that send slowly, at a time")
    parser.add_argument("--disconnects", type=int, default=known.crowd.disconnects, help="in mid-upload, per round")
    parser.add_argument("--rounds", type=int, default=known.crowd.rounds, help="without and with these clients")
    parser.add_argument("--others", type=int, default=known.crowd.requests, help="requests in each half of a round")
    parser.add_argument("--requests", type=int, default=known.series.requests, help="that are counted")
    parser.add_argument("--warm-up", type=int, default=known.series.warm_up, help="requests before them")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/faults.json"))
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Injects, judges and writes the results."""
    arguments, known = arguments_of(argv), Settings()
    settings = Settings(
        replace(
            known.load,
            seconds=arguments.seconds,
            times=arguments.times,
            sustained_seconds=arguments.sustained_seconds,
        ),
        replace(
            known.crowd,
            slow=arguments.slow,
            disconnects=arguments.disconnects,
            rounds=arguments.rounds,
            requests=arguments.others,
        ),
        replace(known.series, requests=arguments.requests, warm_up=arguments.warm_up),
    )
    about = {
        "machine": machine(),
        "versions": versions(),
        "commit": commit(),
        "threads": usable_cores(None),
        "short": settings != known or set(arguments.only) != set(FAULTS),
        "model": "given" if arguments.model is not None else f"preset {PRESET}, trained for two steps",
        "settings": asdict(settings),
    }
    with tempfile.TemporaryDirectory() as folder:
        model = arguments.model or fit_for_timing(PRESET, Path(folder) / "run")
        measured = measure(model, requests_of(Path(folder) / "images"), settings, arguments.only)
    document = {**about, **measured}
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    for row in document["targets"]:
        if row["met"] is not True:
            print(f"BROKEN  {row['figure']}: {row['measured']} {row['unit']}, required {row['target']}")
    return 0 if held(document) else 1


if __name__ == "__main__":
    sys.exit(main())
