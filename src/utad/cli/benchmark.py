"""`utad benchmark`: UTAD and what it is compared with, on the same data, splits and metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from utad.cli.benchmark_options import Jobs, Limit, MethodSettings, Seeds, numbers_in, show
from utad.cli.options import Json, Output, Root, names_in, print_json, say, start_logging

if TYPE_CHECKING:
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
        typer.Option(
            help="Comma-separated, or 'all'; utad,padim,patchcore if not given. Models of anomalib as anomalib:Padim.",
            show_default=False,
        ),
    ] = None,
    on: Annotated[
        str | None, typer.Option(help="The suite that a study runs on, if not its own.", show_default=False)
    ] = None,
    seeds: Seeds = "0",
    categories: Annotated[
        str | None, typer.Option(help="Comma-separated; all if not given.", show_default=False)
    ] = None,
    preset: Annotated[
        str, typer.Option(help="Of UTAD; the others see images of its size, anomalib's models of their own.")
    ] = "fast",
    settings: MethodSettings = None,
    jobs: Jobs = 1,
    limit: Limit = None,
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
        numbers_in(seeds, "--seeds"),
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
