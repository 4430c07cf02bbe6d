"""The Typer application that the commands register with."""

from __future__ import annotations

from typing import Annotated

import typer

from utad import __version__
from utad.cli import (
    benchmark,
    calibrate,
    demo,
    doctor,
    evaluate,
    explain,
    export,
    figures,
    predict,
    reproduce,
    serve,
    train,
    watch,
)

app = typer.Typer(
    name="utad",
    help="Finds defects in images, from normal images only, and shows why.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

app.command()(demo.demo)
app.command()(train.train)
app.command()(predict.predict)
app.command()(watch.watch)
app.command()(evaluate.evaluate)
app.command()(explain.explain)
app.command()(figures.figures)
app.command()(calibrate.calibrate)
app.command()(export.export)
app.command()(benchmark.benchmark)
app.command()(reproduce.reproduce)
app.command()(serve.serve)
app.command()(doctor.doctor)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"utad {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Keeps `utad` a group of commands."""
