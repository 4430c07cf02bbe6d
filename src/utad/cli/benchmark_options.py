"""What `benchmark`, `reproduce` and `figures` ask for alike, and what they say of a cell that ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from utad.cli.options import names_in

if TYPE_CHECKING:
    from utad.evaluation.benchmark_runner import Progress

Seeds = Annotated[str, typer.Option(help="Comma-separated.")]
MethodSettings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="SECTION.KEY=VALUE",
        help="Override one setting of UTAD, or of another method (ae-l2.steps=200).",
    ),
]
Jobs = Annotated[int, typer.Option(help="Processes at a time; 0 runs all in this one.", min=0)]
Limit = Annotated[int | None, typer.Option(help="Most images per category, for a trial.", min=2, show_default=False)]


def numbers_in(text: str, option: str) -> list[int]:
    """The whole numbers of a comma-separated option.

    Args:
        text: of the option.
        option: its name, for an error.

    Raises:
        typer.BadParameter: if one is none.
    """
    names = names_in(text)
    wrong = [name for name in names if not name.isdigit()]
    if wrong:
        raise typer.BadParameter(f"{wrong[0]!r} is not a whole number", param_hint=option)
    return [int(name) for name in names]


def show(progress: Progress, *, seed: bool = True) -> None:
    """One line on stderr for a cell that ended; `seed` names its seed, where there may be several."""
    cell = progress.cell
    named = f"{cell.category} {cell.method}" + (f" {cell.seed}" if seed else "")
    left = f", about {progress.seconds_left / 60:.0f} min left" if progress.seconds_left else ""
    outcome = "done" if progress.error is None else f"FAILED ({progress.error})"
    typer.echo(f"{progress.done}/{progress.total} {named}: {outcome}{left}", err=True)
