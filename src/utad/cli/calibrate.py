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
    from utad.errors import ConfigError
    from utad.export.exported import ExportedDetector
    from utad.export.loading import load_detector

    detector = load_detector(model)
    if normal is not None:
        if isinstance(detector, ExportedDetector):
            raise ConfigError(
                "the normalisation of an export lies inside its graph: run utad calibrate --normal on the model it was "
                "exported from, and export that again"
            )
        outcome = detector.calibrate(open_category(str(normal.resolve())).train, fpr=fpr)
    else:
        assert labelled is not None
        images = open_category(labelled, category=category, root=root, seed=detector.config.seed)
        outcome = detector.calibrate_labelled(images.test, target=target)
    if isinstance(detector, ExportedDetector):
        saved = detector.save_threshold(model)
    else:
        from utad.model_file import find_model

        saved = find_model(model)
        detector.save(saved)
    if as_json:
        print_json(outcome.as_dict())
    say(f"threshold {outcome.threshold:.4f} ({outcome.basis}); saved in {saved}", as_json=as_json)
