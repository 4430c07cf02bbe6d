"""Measures what `utad serve` sustains: requests a second and their latency, and what serving adds to the predictor.

    python benchmarks/load.py [--model RUN] [--seconds 20] [--anomalib PYTHON]

Clients that each wait for their answer before they send again, so many at a time, with so many images in each request.
Then one image at a time, in turns with the predictor in this process, on as many threads: both decode the same JPEG of
300 x 300. `--anomalib`, the Python of an environment with anomalib, OpenVINO, FastAPI and uvicorn, puts its OpenVINO
inferencer beside it, behind the same route. Without `--model` a detector with the preset `fast` is trained for two
steps: nothing here depends on what is learnt. Takes about eight minutes on two cores; nothing else should run
meanwhile. `docs/render.py` puts the figures into docs/performance.md.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

from measuring.clients import Client, Outcome, Request, for_seconds, form_of, send_all, so_many
from measuring.served import ServedProcess, ServerProcess
from measuring.subjects import fit_for_timing, write_jpegs
from measuring.targets import below
from measuring.timing import alternate, percentile, summary
from measuring.workers import HERE
from utad import load_detector
from utad.data.reading import image_from_bytes
from utad.evaluation.provenance import commit, machine, versions
from utad.export.runtime import usable_cores
from utad.types import Sample

PRESET = "fast"
IMAGES = 32
WORKERS = 2
QUEUE = 64
CLIENTS = (1, 2, 4, 8, 16, 32, 64)
IMAGES_PER_REQUEST = (1, 4, 16)
SECONDS = 20.0
ROUNDS = 300
WARM_UP = 10
"""Requests of each client before it is timed."""

OVERHEAD_MS = 5.0


def sustained(port: int, requests: Sequence[Request], clients: int, seconds: float) -> dict[str, Any]:
    """Requests a second and their latency, with so many clients at a time.

    Args:
        port: of the server, on loopback.
        requests: sent over and over.
        clients: each of which waits for its answer before it sends again.
        seconds: for which requests are begun.
    """
    send_all(port, so_many(requests, WARM_UP * clients), clients)
    begun = time.perf_counter()
    outcomes = send_all(port, for_seconds(requests, seconds), clients)
    return {"clients": clients, **figures_of(outcomes, time.perf_counter() - begun)}


def figures_of(outcomes: Sequence[Outcome], seconds: float) -> dict[str, Any]:
    """What requests came to in so many seconds; latencies are those of the ones that were answered with 200."""
    answered = [outcome for outcome in outcomes if outcome.status == 200]
    latency = {
        f"p{share}_ms": round(1000 * percentile([one.seconds for one in answered], share), 2) if answered else None
        for share in (50, 95, 99)
    }
    return {
        "requests_per_second": round(len(answered) / seconds, 2),
        "images_per_second": round(sum(len(outcome.bands) for outcome in answered) / seconds, 2),
        **latency,
        "n": len(answered),
        "failed": dict(Counter(f"{one.status} {one.error}" for one in outcomes if one.status != 200)),
    }


def grid(port: int, files: Sequence[bytes], clients: Sequence[int], images: Sequence[int], seconds: float) -> list[Any]:
    """Every number of clients with every number of images a request, as long as all of them fit into the queue."""
    rows = []
    for count in images:
        many = cycle(files)
        requests = [form_of([next(many) for _ in range(count)]) for _ in files]
        for number in clients:
            if number * count <= QUEUE:
                rows.append({"images_per_request": count, **sustained(port, requests, number, seconds)})
                print(json.dumps(rows[-1]), flush=True)
    return rows


def overhead(port: int, model: Path, files: Sequence[bytes], threads: int, rounds: int) -> dict[str, Any]:
    """One image at a time, by the server and by the predictor in this process, in turns; and the difference.

    Args:
        port: of a server with one worker.
        model: that it serves.
        files: images, encoded.
        threads: that both compute with.
        rounds: that are timed.
    """
    detector, client = load_detector(model, threads=threads), Client(port)
    files_of = {name: cycle(files) for name in ("predictor", "served")}

    def predict() -> None:
        image = image_from_bytes(next(files_of["predictor"]), name="image")
        list(detector.predict_samples([Sample("image", image)], batch_size=1))

    def ask() -> None:
        outcome = client.send(Request(next(files_of["served"])))
        if outcome.status != 200:
            raise RuntimeError(f"the server answered {outcome.status}: {outcome.error}")

    actions: dict[str, Callable[[], object]] = {"predictor": predict, "served": ask}
    seconds = alternate(actions, rounds, warm_up=WARM_UP)
    client.close()
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    return {
        **{name: summary(values) for name, values in seconds.items()},
        "threads": threads,
        "overhead_ms": round(1000 * (medians["served"] - medians["predictor"]), 2),
    }


def anomalib_beside(python: Path, files: Sequence[bytes], folder: Path, arguments: argparse.Namespace) -> list[Any]:
    """What anomalib's inferencer sustains behind the same route, one image a request."""
    command = [str(python), str(HERE / "anomalib_server.py"), str(folder)]
    folder.mkdir()
    with ServerProcess(command, log=folder / "log") as server:
        return grid(server.port, files, arguments.clients, [1], arguments.seconds)


def measure(model: Path, folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Everything, with a folder to work in."""
    files = [path.read_bytes() for path in write_jpegs(folder / "images", IMAGES)]
    with ServedProcess(model, "--workers", str(WORKERS), "--queue", str(QUEUE), log=folder / "log") as server:
        server.wait_until_ready()
        server.wait_for(lambda: len(server.workers) == WORKERS, 60.0, "complete")
        rows = grid(server.port, files, arguments.clients, arguments.images, arguments.seconds)
    threads = usable_cores(None)
    with ServedProcess(model, "--workers", "1", log=folder / "log-of-one") as server:
        server.wait_until_ready()
        single = overhead(server.port, model, files, threads, arguments.rounds)
    print(json.dumps(single), flush=True)
    python = arguments.anomalib
    beside = anomalib_beside(python, files, folder / "anomalib", arguments) if python is not None else None
    return {
        "served": rows,
        **({"anomalib": beside} if beside is not None else {}),
        "overhead": single,
        "targets": [
            below(
                "what serving adds to the predictor at batch 1, median",
                OVERHEAD_MS,
                single["overhead_ms"],
                "ms",
            )
        ],
    }


def arguments_of(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line, checked before anything takes time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--model", type=Path, help="a run or an exported folder; a short training makes one if not given"
    )
    parser.add_argument("--clients", type=int, nargs="+", default=list(CLIENTS), help="at a time")
    parser.add_argument("--images", type=int, nargs="+", default=list(IMAGES_PER_REQUEST), help="of a request")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each row")
    parser.add_argument("--anomalib", type=Path, metavar="PYTHON", help="of an environment with anomalib")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of the predictor and the server in turns")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/load.json"))
    arguments = parser.parse_args(argv)
    for name in ("clients", "images"):
        if min(getattr(arguments, name)) < 1:
            parser.error(f"--{name}: expected numbers of at least 1")
    if arguments.rounds < 1 or not arguments.seconds > 0:
        parser.error("--rounds and --seconds: expected more than 0")
    return arguments


def main(argv: Sequence[str] | None = None) -> None:
    """Measures and writes the results."""
    arguments = arguments_of(argv)
    short = arguments.seconds < SECONDS or arguments.rounds < ROUNDS
    about = {
        "machine": machine(),
        "versions": versions(),
        "commit": commit(),
        "threads": usable_cores(None),
        "short": short or not {*CLIENTS} <= {*arguments.clients} or not {*IMAGES_PER_REQUEST} <= {*arguments.images},
        "model": "given" if arguments.model is not None else f"preset {PRESET}, trained for two steps",
        "workers": WORKERS,
        "queue": QUEUE,
        "seconds": arguments.seconds,
    }
    with tempfile.TemporaryDirectory() as folder:
        model = arguments.model or fit_for_timing(PRESET, Path(folder) / "run")
        measured = measure(model, Path(folder), arguments)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps({**about, **measured}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
