"""`utad predict`: scores, maps and masks of images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from utad.cli.options import (
    Json,
    Model,
    Output,
    Runtime,
    conclude,
    counted,
    kinds_of,
    on_terminal,
    print_json,
    start_logging,
)

SAVABLE = ("maps", "masks", "overlays", "impressions")


def predict(
    model: Model,
    inputs: Annotated[list[Path], typer.Argument(help="Images, or folders of images.", show_default=False)],
    output: Output,
    save: Annotated[str, typer.Option(help=f"Comma-separated: {', '.join(SAVABLE)}; or none.")] = "maps,masks",
    threshold: Annotated[
        float | None,
        typer.Option(help="On the normalised score; the model's own if not given.", show_default=False),
    ] = None,
    fpr: Annotated[
        float | None,
        typer.Option(help="Rate of normal images above the threshold, instead of --threshold.", show_default=False),
    ] = None,
    fail_fpr: Annotated[
        float | None, typer.Option(help="Rate of normal images in the band `fail`.", show_default=False)
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Images scored together.", min=1)] = 8,
    runtime: Runtime = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="Go on where an interrupted run stopped.")] = False,
    as_json: Json = False,
) -> None:
    """Score INPUTS with MODEL and write predictions.csv, predictions.jsonl and pictures to --output."""
    start_logging()
    wanted = frozenset(kinds_of(save, (*SAVABLE, "none"))) - {"none"}
    if threshold is not None and fpr is not None:
        raise typer.BadParameter("give either --threshold or --fpr", param_hint="--threshold / --fpr")

    from utad.evaluation.predicting import predict_to_folder
    from utad.loading import identity, load_detector
    from utad.overlap import refuse_overlap
    from utad.thresholds import check_threshold, warn_if_low, warn_if_no_review

    if threshold is not None:
        check_threshold(threshold)
    refuse_overlap(output, inputs)
    detector = load_detector(model, runtime=runtime)
    detector.set_rates(fpr=fpr, fail_fpr=fail_fpr)
    if threshold is not None:
        detector.threshold = threshold
        warn_if_low(threshold, detector.normal_scores)
    if fail_fpr is not None:
        warn_if_no_review(detector.threshold, detector.fail_threshold)
    summary = predict_to_folder(
        detector,
        inputs,
        output,
        save=wanted,
        batch_size=batch_size,
        progress=on_terminal(),
        resume=resume,
        run=identity(model, detector),
    )
    if as_json:
        print_json(summary.as_dict())
    conclude(
        f"{counted(summary.n_images)}, {summary.n_anomalous} anomalous",
        summary.failed,
        not_done="scored",
        leads_to=output / "predictions.csv",
        as_json=as_json,
    )
