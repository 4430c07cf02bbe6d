"""`utad calibrate`: sets the threshold of a trained model anew."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from utad.cli.options import Category, Json, Model, Root, print_json, say, start_logging


def calibrate(
    model: Model,
    normal: Annotated[Path | None, typer.Option(help="Folder of normal images.", show_default=False)] = None,
    labelled: Annotated[
        str | None, typer.Option(help="Data with normal and anomalous test images.", show_default=False)
    ] = None,
    target: Annotated[str, typer.Option(help="With --labelled: f1, or recall=0.95.")] = "f1",
    fpr: Annotated[float, typer.Option(help="With --normal: share of normal images above the threshold.")] = 0.01,
    category: Category = None,
    root: Root = None,
    as_json: Json = False,
) -> None:
    """Set MODEL's threshold from normal images, or from labelled ones, and save it in place."""
    start_logging()
    if (normal is None) == (labelled is None):
        raise typer.BadParameter("give either --normal DIR or --labelled DATA", param_hint="--normal / --labelled")

    from utad.data.catalog import open_category
    from utad.detector import UTAD
    from utad.model_file import find_model

    detector = UTAD.load(model)
    if normal is not None:
        outcome = detector.calibrate(open_category(str(normal.resolve())).train, fpr=fpr)
    else:
        assert labelled is not None
        images = open_category(labelled, category=category, root=root, seed=detector.config.seed)
        outcome = detector.calibrate_labelled(images.test, target=target)
    detector.save(find_model(model))
    if as_json:
        print_json(outcome.as_dict())
    say(f"threshold {outcome.threshold:.4f} ({outcome.basis}); saved in {find_model(model)}", as_json=as_json)
