"""`utad calibrate`: sets the threshold of a trained model anew."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from utad.cli.options import Category, Json, Model, Root, Runtime, print_json, say, start_logging


def calibrate(
    model: Model,
    normal: Annotated[Path | None, typer.Option(help="Folder of normal images.", show_default=False)] = None,
    labelled: Annotated[
        str | None, typer.Option(help="Data with normal and anomalous test images.", show_default=False)
    ] = None,
    target: Annotated[str, typer.Option(help="With --labelled: f1, or recall=0.95.")] = "f1",
    fpr: Annotated[float, typer.Option(help="With --normal: share of normal images above the threshold.")] = 0.01,
    fail_fpr: Annotated[float, typer.Option(help="With --normal: share of normal images in the band fail.")] = 0.001,
    category: Category = None,
    root: Root = None,
    runtime: Runtime = "auto",
    as_json: Json = False,
) -> None:
    """Set MODEL's threshold from normal images, or from labelled ones, and save it in place."""
    start_logging()
    if (normal is None) == (labelled is None):
        raise typer.BadParameter("give either --normal DIR or --labelled DATA", param_hint="--normal / --labelled")

    from utad.data.catalog import open_category
    from utad.errors import ConfigError
    from utad.export.exported import ExportedDetector
    from utad.loading import is_export, load_detector

    stands_alone = is_export(model)
    if normal is not None and stands_alone:
        raise ConfigError(
            "the normalisation of an export lies inside its graph: run utad calibrate --normal on the model it was "
            "exported from, and export that again"
        )
    detector = load_detector(model, runtime=runtime)
    data = str(normal.resolve()) if normal is not None else str(labelled)
    images = open_category(data, category=category, root=root, seed=detector.config.seed)
    if stands_alone:
        assert isinstance(detector, ExportedDetector)
        outcome = detector.calibrate_labelled(images.test, target=target)
        saved = detector.save_threshold(model)
    else:
        from utad.detector import UTAD
        from utad.run_folder import find_model

        saved = find_model(model)
        trained = UTAD.load(saved)
        if normal is not None:
            outcome = trained.calibrate(images.train, fpr=fpr, fail_fpr=fail_fpr, scored_by=detector)
        else:
            outcome = detector.calibrate_labelled(images.test, target=target)
            trained.threshold = outcome.threshold
        trained.save(saved)
    if as_json:
        print_json(outcome.as_dict())
    say(f"threshold {outcome.threshold:.4f} ({outcome.basis}); saved in {saved}", as_json=as_json)
