"""`utad reproduce`: the paper's tables on its own data, as far as it is there."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from utad.cli.benchmark_options import Jobs, Limit, MethodSettings, Seeds, numbers_in, show
from utad.cli.options import Json, Output, counted, print_json, say, start_logging


def reproduce(
    root: Annotated[
        Path,
        typer.Option(
            help="Holds MVTec AD, MNIST, Fashion-MNIST and CIFAR-10, or some of them, each in a folder of its name or "
            "unpacked right there.",
            show_default=False,
        ),
    ],
    output: Output,
    tables: Annotated[str, typer.Option(help="Numbers of the paper's tables, comma-separated.")] = "1,2,3,4",
    seeds: Seeds = "0",
    preset: Annotated[
        str | None,
        typer.Option(help="Of UTAD; the paper's if not given, which are meant for a GPU.", show_default=False),
    ] = None,
    settings: MethodSettings = None,
    jobs: Jobs = 1,
    limit: Limit = None,
    estimate: Annotated[bool, typer.Option("--estimate", help="Only say how long it will take.")] = False,
    as_json: Json = False,
) -> None:
    """Run the paper's Tables 1 to 4 on the data below ROOT, each beside the paper's numbers.

    It says beforehand how long that will take, from a trial of every method. What is not below ROOT is left out and
    named. Interrupted, the same command goes on.
    """
    start_logging()
    from utad.evaluation.expected_time import expected_benchmark_seconds
    from utad.evaluation.reproduction import PAGE, plan_reproduction, run_reproduction
    from utad.overlap import refuse_overlap
    from utad.progress import spoken
    from utad.report.benchmark_page import benchmark_page

    refuse_overlap(output, [root])
    with _quiet("utad.data"):
        plan = plan_reproduction(
            root,
            tables=numbers_in(tables, "--tables"),
            seeds=numbers_in(seeds, "--seeds"),
            preset=preset,
            settings=settings or (),
            limit=limit,
        )
        for line in plan.left_out:
            typer.echo(f"left out: {line}", err=True)
        expected = []
        for planned in plan.planned:
            expected.append(expected_benchmark_seconds(planned.benchmark))
            cells, time = counted(len(planned.benchmark.cells()), "cell"), spoken(expected[-1])
            part = planned.part
            typer.echo(f"table {part.table}, {part.study} on {part.suite}: {cells}, roughly {time}", err=True)
    typer.echo(f"all: roughly {spoken(sum(expected))} from the beginning, one cell at a time", err=True)
    if estimate:
        if as_json:
            parts = {planned.part.folder: time for planned, time in zip(plan.planned, expected, strict=True)}
            print_json({"seconds": parts, "left_out": list(plan.left_out)})
        return
    page, failures = run_reproduction(plan, output, jobs=jobs, report=show, page_of=benchmark_page)
    if as_json:
        print_json({"page": str(output / PAGE), "left_out": list(plan.left_out), "failures": failures})
    say(f"{page}\n{output / PAGE}", as_json=as_json)
    if failures:
        raise typer.Exit(1)


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Holds back a part's progress messages: data that is opened many times would be told of as often."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)
