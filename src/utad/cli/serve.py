"""`utad serve`: an HTTP API for models."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from utad.cli.options import names_in, start_logging

TOKEN_VARIABLE = "UTAD_TOKEN"


def serve(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL...",
            help="Runs or exported folders, also as NAME=PATH, otherwise each has the name of its folder; or an index.",
            show_default=False,
        ),
    ],
    host: Annotated[str, typer.Option(help="Address; what others reach needs a token.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes a free one.", min=0, max=65535)] = 8000,
    workers: Annotated[int, typer.Option(help="Processes that score; each holds all models.", min=1)] = 2,
    queue: Annotated[int, typer.Option(help="Images that wait at most; what comes beyond gets 503.", min=1)] = 64,
    max_batch: Annotated[int, typer.Option(help="Images that a worker gets together, at most.", min=1)] = 8,
    max_wait: Annotated[float, typer.Option(help="Milliseconds that it waits for more of them.", min=0.0)] = 0.0,
    deadline: Annotated[float, typer.Option(help="Seconds from a request to its answer, at most.", min=0.1)] = 30.0,
    grace: Annotated[float, typer.Option(help="Seconds from SIGTERM to the end, at most.", min=0.1)] = 30.0,
    max_megabytes: Annotated[int, typer.Option(help="Of one request.", min=1, max=512)] = 32,
    max_pixels: Annotated[int, typer.Option(help="Of an image.", min=1)] = 30_000_000,
    token: Annotated[
        str | None,
        typer.Option(
            envvar=TOKEN_VARIABLE,
            help="That requests have to bring. On the command line others see it in the list of processes.",
            show_default=False,
        ),
    ] = None,
    allow_host: Annotated[str, typer.Option(help="Comma-separated: further names that the server is reached by.")] = "",
    feedback: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Keep here the images whose result is marked as wrong, for utad calibrate --labelled; off by default.",
            show_default=False,
        ),
    ] = None,
    feedback_limit: Annotated[int, typer.Option(help="Megabytes that this folder may take.", min=1)] = 1000,
) -> None:
    """Serve MODELs until SIGTERM or Ctrl-C: a page at /, /v1/predict, the Open Inference Protocol, /metrics, /docs."""
    start_logging()
    from utad.dependencies import EXTRAS, require

    for module in EXTRAS["serve"]:
        require(module)
    from utad.errors import UnavailableError
    from utad.serving.feedback import feedback_folder
    from utad.serving.registry import named_models
    from utad.serving.safety import AccessPolicy
    from utad.serving.server import run_server
    from utad.serving.service import Service
    from utad.serving.settings import ServeSettings

    policy = AccessPolicy(host, token=token, allowed_hosts=names_in(allow_host))
    settings = ServeSettings(
        workers=workers,
        queue=queue,
        max_batch=max_batch,
        max_wait=max_wait / 1000,
        deadline=deadline,
        grace=grace,
        max_bytes=max_megabytes * 2**20,
        max_pixels=max_pixels,
        max_files=min(16, queue),
    )
    named = named_models(models)

    with ExitStack() as stack:
        kept = None
        if feedback is not None:
            limit = feedback_limit * 10**6
            kept = stack.enter_context(feedback_folder(feedback, models=named.values(), limit=limit))
        service = Service(named, settings)

        def started(bound_host: str, bound_port: int) -> None:
            shown = f"[{bound_host}]" if ":" in bound_host else bound_host
            print(f"serving {', '.join(sorted(service.models))} at http://{shown}:{bound_port}", flush=True)

        if not run_server(service, policy, host, port, started=started, feedback=kept):
            raise UnavailableError("requests were left unanswered at the end of the grace period")
