"""`utad evaluate`: a model against ground truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    tell_failures,
)

if TYPE_CHECKING:
    from utad.evaluation.evaluate import EvaluationReport
    from utad.types import Category as Images


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

    With an index of detectors, which utad train --all writes, DATA holds a category, or a folder, for each product:
    each is evaluated with the detector of its name into a folder of its own, and the tables of all stand beside these.
    """
    start_logging()
    if explain and not report:
        raise typer.BadParameter("the explanations are reached from the report: leave out --no-report")
    from utad.data.catalog import folders_of
    from utad.overlap import refuse_overlap
    from utad.products.index import index_file

    inputs = folders_of(data, root=root)
    refuse_overlap(output, inputs)
    test = _Test(data, root=root, layout=layout, download=download)
    evaluated = partial(_evaluated, test, batch_size=batch_size, runtime=runtime, report=report, explain=explain)
    index = index_file(model)
    if index is None:
        from utad.evaluation.evaluate import METRICS
        from utad.report.evaluation_report import REPORT

        outcome, images = evaluated(model, output, category)
        if as_json:
            print_json({**outcome.as_dict(), **read_from(images)})
        say(f"{outcome.table}\n{output / (REPORT if report else METRICS[0])}", as_json=as_json)
        return
    if category is not None:
        raise typer.BadParameter("an index evaluates each of its products: leave it out", param_hint="--category")
    _of_products(index, test, output, evaluated, as_json=as_json)


@dataclass(frozen=True)
class _Test:
    """Where the test images are, by the options of the command."""

    data: str
    root: Path | None
    layout: str | None
    download: bool


def _evaluated(
    test: _Test,
    model: Path,
    output: Path,
    category: str | None,
    *,
    batch_size: int,
    runtime: Runtime,
    report: bool,
    explain: int,
) -> tuple[EvaluationReport, Images]:
    """Evaluates one detector into a folder, and says what it was evaluated on."""
    from utad.data.catalog import open_category
    from utad.evaluation.evaluate import evaluate_to_folder, labelled
    from utad.loading import explaining_detector, load_detector
    from utad.report.evaluation_report import HtmlReport
    from utad.training_images import unseen

    detector = load_detector(model, runtime=runtime)
    opened = open_category(
        test.data,
        category=category,
        root=test.root,
        seed=detector.config.seed,
        download=test.download,
        layout=test.layout,
        split=False,
    )
    images = replace(opened, test=unseen(opened.test, model))
    page = HtmlReport(
        labelled(images),
        title=images.name,
        subject=f"Model {model}, data {test.data}.",
        max_pixels=detector.config.image.max_pixels,
        explain=explain,
        explainer=explaining_detector(model, detector) if explain else None,
    )
    outcome = evaluate_to_folder(
        detector,
        images,
        output,
        dataset=test.data,
        seed=detector.config.seed,
        batch_size=batch_size,
        progress=on_terminal(),
        companion=page if report else None,
    )
    return outcome, images


def _of_products(
    index: Path,
    test: _Test,
    output: Path,
    evaluated: Callable[[Path, Path, str], tuple[EvaluationReport, Images]],
    *,
    as_json: bool,
) -> None:
    """Evaluates many products, each with its own detector of an index."""
    from utad.data.catalog import folders_of, products_of
    from utad.evaluation.evaluate import METRICS
    from utad.products.evaluating import evaluate_products, table_of
    from utad.products.index import trained_models

    read: dict[str, dict[str, Any]] = {}

    def of_product(name: str, model: Path) -> EvaluationReport:
        outcome, images = evaluated(model, output / name, name)
        read[name] = read_from(images)
        return outcome

    outcomes = evaluate_products(
        trained_models(index),
        products_of(test.data, root=test.root, layout=test.layout),
        output,
        of_product,
        dataset=test.data,
        apart_from=folders_of(test.data, root=test.root),
    )
    if as_json:
        products = {name: {**one.as_dict(), **read[name]} for name, one in outcomes.done.items()}
        print_json({"products": products, "failed": outcomes.failed})
    if outcomes.done:
        say(f"{table_of(outcomes)}\n{output / METRICS[0]}", as_json=as_json)
    tell_failures(outcomes.failed, not_done="evaluated")
