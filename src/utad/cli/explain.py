"""`utad explain`: why images have their scores."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from utad.cli.options import (
    Json,
    Model,
    Output,
    conclude,
    counted,
    kinds_of,
    on_terminal,
    print_json,
    start_logging,
)
from utad.cli.products import in_each_folder

if TYPE_CHECKING:
    from utad.report.explanation_folder import ExplanationSummary

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

    With an index of detectors, which utad train --all writes, IMAGES is a folder that holds a folder for each product.

    The pages open from disk and ask no server for anything. MODEL may be an exported folder; figures need what comes
    with the extra `train`, pages (--save page) do not.
    """
    start_logging()
    wanted = kinds_of(save, SAVABLE)
    if not wanted:
        raise typer.BadParameter(f"nothing to save: choose from {', '.join(SAVABLE)}", param_hint="--save")

    from utad.overlap import refuse_overlap
    from utad.products.index import index_file

    refuse_overlap(output, images)
    explained = partial(_explained, save=wanted, neighbours=neighbours)
    index = index_file(model)
    if index is not None:
        in_each_folder(
            index,
            images,
            lambda name, model, folder: explained(model, [folder], output / name),
            given_as="IMAGES",
            in_words=_in_words,
            leads_to=lambda name, one: output / name / one.opens,
            not_done="explained",
            when_stopped=lambda done: f"of {counted(done, 'product')} all is explained; the same command begins anew",
            as_json=as_json,
        )
        return
    summary = explained(model, images, output)
    if as_json:
        print_json(summary.as_dict())
    conclude(_in_words(summary), summary.failed, not_done="explained", leads_to=output / summary.opens, as_json=as_json)


def _explained(
    model: Path, images: Sequence[Path], output: Path, *, save: Sequence[str], neighbours: int
) -> ExplanationSummary:
    from utad.loading import explaining_detector
    from utad.report.explanation_folder import explain_to_folder

    detector = explaining_detector(model)
    return explain_to_folder(detector, images, output, save=save, neighbours=neighbours, progress=on_terminal())


def _in_words(summary: ExplanationSummary) -> str:
    return f"{counted(summary.n_images)} explained, {summary.n_anomalous} anomalous"
