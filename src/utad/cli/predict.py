"""`utad predict`: scores, maps and masks of images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from utad.cli.options import (
    BatchSize,
    FailFpr,
    Fpr,
    Json,
    Model,
    Output,
    Runtime,
    Save,
    Threshold,
    check_decision,
    conclude,
    counted,
    decide,
    on_terminal,
    print_json,
    start_logging,
    wanted_kinds,
)


def predict(
    model: Model,
    inputs: Annotated[list[Path], typer.Argument(help="Images, or folders of images.", show_default=False)],
    output: Output,
    save: Save = "maps,masks",
    threshold: Threshold = None,
    fpr: Fpr = None,
    fail_fpr: FailFpr = None,
    batch_size: BatchSize = 8,
    runtime: Runtime = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="Go on where an interrupted run stopped.")] = False,
    as_json: Json = False,
) -> None:
    """Score INPUTS with MODEL and write predictions.csv, predictions.jsonl and pictures to --output."""
    start_logging()
    wanted = wanted_kinds(save)
    check_decision(threshold, fpr)

    from utad.evaluation.predicting import predict_to_folder
    from utad.loading import identity, load_detector
    from utad.overlap import refuse_overlap

    refuse_overlap(output, inputs)
    detector = load_detector(model, runtime=runtime)
    decide(detector, threshold, fpr, fail_fpr)
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
