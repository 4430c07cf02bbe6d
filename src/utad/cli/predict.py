"""`utad predict`: scores, maps and masks of images."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

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
from utad.cli.products import in_each_folder

if TYPE_CHECKING:
    from utad.evaluation.prediction_folder import PredictionSummary


Engine = Annotated[
    Literal["here", "ray"],
    typer.Option(help="What runs it: this process, or workers of Ray, which write rows as Parquet and no pictures."),
]
Address = Annotated[
    str | None,
    typer.Option(help="Of a Ray cluster; with --engine ray, which starts its own otherwise.", show_default=False),
]
Workers = Annotated[
    int | None,
    typer.Option(help="Processes with --engine ray, of one thread each; one per core otherwise.", min=1),
]


def predict(
    context: typer.Context,
    model: Model,
    inputs: Annotated[
        list[str],
        typer.Argument(help="Images, or folders of images; URLs too with --engine ray.", show_default=False),
    ],
    output: Output,
    save: Save = "maps,masks",
    threshold: Threshold = None,
    fpr: Fpr = None,
    fail_fpr: FailFpr = None,
    batch_size: BatchSize = 8,
    runtime: Runtime = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="Go on where an interrupted run stopped.")] = False,
    engine: Engine = "here",
    address: Address = None,
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Score INPUTS with MODEL and write predictions.csv, predictions.jsonl and pictures to --output.

    With an index of detectors, which utad train --all writes, INPUT is a folder that holds a folder for each product.
    """
    start_logging()
    wanted = wanted_kinds(save)
    check_decision(threshold, fpr)
    if engine == "ray":
        source = context.get_parameter_source("save")
        if wanted and source is not None and source.name != "DEFAULT":
            raise typer.BadParameter("--engine ray writes no pictures: leave it out", param_hint="--save")
        if runtime != "auto":
            raise typer.BadParameter(
                "--engine ray takes the graph that MODEL is, or has beside it: name an exported folder for another",
                param_hint="--runtime",
            )
        summary = _on_ray(
            model,
            inputs,
            output,
            decision=(threshold, fpr, fail_fpr),
            batch_size=batch_size,
            resume=resume,
            address=address,
            workers=workers,
        )
        _conclude(summary, output / "predictions", as_json=as_json)
        return
    if address is not None or workers is not None:
        raise typer.BadParameter("--address and --workers go with --engine ray", param_hint="--engine")
    from utad.overlap import refuse_overlap
    from utad.products.index import index_file

    paths = [Path(one) for one in inputs]
    refuse_overlap(output, paths)
    score = partial(
        _here,
        decision=(threshold, fpr, fail_fpr),
        save=wanted,
        batch_size=batch_size,
        runtime=runtime,
        resume=resume,
    )
    index = index_file(model)
    if index is not None:
        in_each_folder(
            index,
            paths,
            lambda name, one, folder: score(one, [folder], output / name),
            given_as="INPUTS",
            in_words=_in_words,
            leads_to=lambda name, _: output / name / "predictions.csv",
            not_done="scored",
            when_stopped=lambda done: (
                f"of {counted(done, 'product')} all is scored; the same command with --resume goes on"
            ),
            as_json=as_json,
        )
        return
    _conclude(score(model, paths, output), output / "predictions.csv", as_json=as_json)


def _here(
    model: Path,
    paths: Sequence[Path],
    output: Path,
    *,
    decision: tuple[float | None, float | None, float | None],
    save: frozenset[str],
    batch_size: int,
    runtime: Runtime,
    resume: bool,
) -> PredictionSummary:
    """Scores in this process; `decision` are --threshold, --fpr and --fail-fpr."""
    from utad.evaluation.predicting import predict_to_folder
    from utad.loading import identity, load_detector

    detector = load_detector(model, runtime=runtime)
    decide(detector, *decision)
    return predict_to_folder(
        detector,
        paths,
        output,
        save=save,
        batch_size=batch_size,
        progress=on_terminal(),
        resume=resume,
        run=identity(model, detector),
    )


def _on_ray(
    model: Path,
    inputs: Sequence[str],
    output: Path,
    *,
    decision: tuple[float | None, float | None, float | None],
    batch_size: int,
    resume: bool,
    address: str | None,
    workers: int | None,
) -> PredictionSummary:
    """Scores with workers of Ray; `decision` are --threshold, --fpr and --fail-fpr."""
    from utad.export.exported import ExportedDetector
    from utad.integrations.listing import is_url
    from utad.integrations.ray import Cluster, predict_on_ray
    from utad.loading import exported_folder
    from utad.overlap import refuse_overlap

    refuse_overlap(output, [Path(one) for one in inputs if not is_url(one)])
    folder = exported_folder(model)
    detector = ExportedDetector.load(folder, threads=1)
    decide(detector, *decision)
    return predict_on_ray(
        detector,
        folder,
        inputs,
        output,
        cluster=Cluster(address, workers),
        batch_size=batch_size,
        progress=on_terminal(),
        resume=resume,
    )


def _conclude(summary: PredictionSummary, leads_to: Path, *, as_json: bool) -> None:
    if as_json:
        print_json(summary.as_dict())
    conclude(
        _in_words(summary),
        summary.failed,
        not_done="scored",
        leads_to=leads_to,
        as_json=as_json,
    )


def _in_words(summary: PredictionSummary) -> str:
    return f"{counted(summary.n_images)}, {summary.n_anomalous} anomalous"
