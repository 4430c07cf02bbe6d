"""`utad benchmark`: UTAD and what it is compared with, on the same data, splits and metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from utad.cli.options import Json, Output, Root, names_in, print_json, say, start_logging

if TYPE_CHECKING:
    from utad.evaluation.benchmark_runner import Progress
    from utad.evaluation.studies import Study
    from utad.evaluation.variant import Variant


def benchmark(
    suite: Annotated[
        str,
        typer.Argument(
            help="textures, elpv, mnist-5k, mvtec, mnist, fashion-mnist, cifar10, real, folder or class-folders; or a "
            "study: methods-defects, methods-one-class, ablation-components, ablation-measurement, "
            "ablation-restoration or ablation-capacity.",
            show_default=False,
        ),
    ],
    output: Output,
    root: Root = None,
    methods: Annotated[
        str | None,
        typer.Option(help="Comma-separated, or 'all'; utad,padim,patchcore if not given.", show_default=False),
    ] = None,
    on: Annotated[
        str | None, typer.Option(help="The suite that a study runs on, if not its own.", show_default=False)
    ] = None,
    seeds: Annotated[str, typer.Option(help="Comma-separated.")] = "0",
    categories: Annotated[
        str | None, typer.Option(help="Comma-separated; all if not given.", show_default=False)
    ] = None,
    preset: Annotated[str, typer.Option(help="Of UTAD; the others see images of its size.")] = "fast",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="SECTION.KEY=VALUE",
            help="Override one setting of UTAD, or of another method (ae-l2.steps=200).",
        ),
    ] = None,
    jobs: Annotated[int, typer.Option(help="Processes at a time; 0 runs all in this one.", min=0)] = 1,
    limit: Annotated[
        int | None, typer.Option(help="Most images per category, for a trial.", min=2, show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Run METHODS on every category of SUITE, or a study; interrupted, it goes on where it stopped when run again."""
    start_logging()
    from utad.evaluation.studies import STUDIES
    from utad.evaluation.suites import suite_named

    study = STUDIES.get(suite)
    chosen = suite_named(on or study.suite if study is not None else suite)  # a misspelt one is named at once

    from utad.evaluation.benchmark import PAGE, Benchmark, run_benchmark, write_beside, write_study
    from utad.evaluation.methods import with_settings
    from utad.report.benchmark_page import benchmark_page

    variants = _variants_of_suite(suite, methods, on) if study is None else _variants_of_study(study, methods, preset)
    plan = Benchmark(
        chosen,
        with_settings(variants, settings or ()),
        seeds_in(seeds),
        root=root,
        categories=names_in(categories) if categories is not None else None,
        preset=preset,
        limit=limit,
        share_training=study is not None,
    )
    report = run_benchmark(plan, output, jobs=jobs, report=show)
    tables = [write_study(study, report, output) if study is not None else report.table, report.leads]
    write_beside(output, PAGE, benchmark_page(report.document, study))
    if as_json:
        print_json(report.document)
    say("\n\n".join(filter(None, tables)) + f"\n{output / PAGE}", as_json=as_json)
    if report.document["failures"]:
        raise typer.Exit(1)


def _variants_of_suite(suite: str, methods: str | None, on: str | None) -> tuple[Variant, ...]:
    from utad.evaluation.methods import METHODS, variants_of

    if on is not None:
        raise typer.BadParameter(f"{suite} is no study, it runs on itself: leave it out", param_hint="--on")
    return variants_of(METHODS if methods == "all" else names_in(methods or "utad,padim,patchcore"))


def _variants_of_study(study: Study, methods: str | None, preset: str) -> tuple[Variant, ...]:
    if methods is not None:
        raise typer.BadParameter(f"{study.name} has its own: leave it out", param_hint="--methods")
    return study.variants(preset)


def seeds_in(text: str) -> list[int]:
    """The whole numbers of a comma-separated option.

    Raises:
        typer.BadParameter: if one is none.
    """
    names = names_in(text)
    wrong = [name for name in names if not name.isdigit()]
    if wrong:
        raise typer.BadParameter(f"{wrong[0]!r} is not a whole number", param_hint="--seeds")
    return [int(name) for name in names]


def show(progress: Progress) -> None:
    """One line on stderr for a cell that ended."""
    cell = progress.cell
    left = f", about {progress.seconds_left / 60:.0f} min left" if progress.seconds_left else ""
    outcome = "done" if progress.error is None else f"FAILED ({progress.error})"
    typer.echo(f"{progress.done}/{progress.total} {cell.category} {cell.method} {cell.seed}: {outcome}{left}", err=True)
