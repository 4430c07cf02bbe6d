"""`utad evaluate`: a model against ground truth."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from utad.cli.options import (
    Category,
    Data,
    Json,
    Layout,
    Model,
    Output,
    Root,
    Runtime,
    on_terminal,
    print_json,
    read_from,
    say,
    start_logging,
)


def evaluate(
    model: Model,
    data: Data,
    output: Output,
    category: Category = None,
    layout: Layout = None,
    root: Root = None,
    download: Annotated[bool, typer.Option("--download", help="Let torchvision fetch a data set it knows.")] = False,
    batch_size: Annotated[int, typer.Option(help="Images scored together.", min=1)] = 8,
    runtime: Runtime = "auto",
    report: Annotated[bool, typer.Option("--report/--no-report", help="Write report.html.")] = True,
    explain: Annotated[
        int, typer.Option(help="Images to explain in pages of their own, worst mistakes first.", min=0)
    ] = 0,
    as_json: Json = False,
) -> None:
    """Evaluate MODEL on the test images of DATA, or all of them where it has no split.

    Writes metrics.json, metrics.md, predictions.csv and report.html, a page that opens from disk.
    """
    start_logging()
    if explain and not report:
        raise typer.BadParameter("the explanations are reached from the report: leave out --no-report")
    from utad.data.catalog import folders_of, open_category
    from utad.evaluation.evaluate import evaluate_to_folder, labelled
    from utad.loading import explaining_detector, load_detector
    from utad.overlap import refuse_overlap
    from utad.report.evaluation_report import REPORT, HtmlReport
    from utad.training_images import unseen

    refuse_overlap(output, folders_of(data, root=root))
    detector = load_detector(model, runtime=runtime)
    opened = open_category(
        data, category=category, root=root, seed=detector.config.seed, download=download, layout=layout, split=False
    )
    images = replace(opened, test=unseen(opened.test, model))
    page = HtmlReport(
        labelled(images),
        title=images.name,
        subject=f"Model {model}, data {data}.",
        max_pixels=detector.config.image.max_pixels,
        explain=explain,
        explainer=explaining_detector(model, detector) if explain else None,
    )
    outcome = evaluate_to_folder(
        detector,
        images,
        output,
        dataset=data,
        seed=detector.config.seed,
        batch_size=batch_size,
        progress=on_terminal(),
        companion=page if report else None,
    )
    if as_json:
        print_json({**outcome.evaluation.as_dict(), **read_from(images)})
    say(f"{outcome.table}\n{output / (REPORT if report else 'metrics.json')}", as_json=as_json)
