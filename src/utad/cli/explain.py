"""`utad explain`: why images have their scores."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from utad.cli.options import Json, Model, Output, conclude, counted, kinds_of, on_terminal, print_json, start_logging

SAVABLE = ("page", "png", "svg")


def explain(
    model: Model,
    images: Annotated[list[Path], typer.Argument(help="Images, or folders of images.", show_default=False)],
    output: Output,
    save: Annotated[str, typer.Option(help=f"Comma-separated: {', '.join(SAVABLE)}.")] = ",".join(SAVABLE),
    neighbours: Annotated[int, typer.Option(help="Normal images to show beside each, at most.", min=0)] = 5,
    as_json: Json = False,
) -> None:
    """Explain the scores of IMAGES: a page and a figure for each in --output, and an index of several.

    The pages open from disk and ask no server for anything. MODEL may be an exported folder; figures need what comes
    with the extra `train`, pages (--save page) do not.
    """
    start_logging()
    wanted = kinds_of(save, SAVABLE)
    if not wanted:
        raise typer.BadParameter(f"nothing to save: choose from {', '.join(SAVABLE)}", param_hint="--save")

    from utad.loading import explaining_detector
    from utad.overlap import refuse_overlap
    from utad.report.explanation_folder import explain_to_folder

    refuse_overlap(output, images)
    detector = explaining_detector(model)
    summary = explain_to_folder(detector, images, output, save=wanted, neighbours=neighbours, progress=on_terminal())
    if as_json:
        print_json(summary.as_dict())
    conclude(
        f"{counted(summary.n_images)} explained, {summary.n_anomalous} anomalous",
        summary.failed,
        not_done="explained",
        leads_to=output / summary.opens,
        as_json=as_json,
    )
