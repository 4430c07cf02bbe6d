"""`utad figures`: the paper's figures, of a suite or of one model."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from utad.cli.benchmark_options import show
from utad.cli.options import Json, Layout, Output, Root, counted, names_in, print_json, say, start_logging

if TYPE_CHECKING:
    from utad.evaluation.figure_runner import FigureRunner
    from utad.report.figure_writing import FigureSummary


Source = Annotated[
    str,
    typer.Argument(
        metavar="SUITE|RUN",
        help="A suite (utad benchmark --help lists them), or a model file or the folder of a run; write ./NAME for a "
        "folder that has the name of a suite.",
        show_default=False,
    ),
]
Only = Annotated[
    str | None, typer.Option(help="Numbers of the paper's figures, comma-separated: 5 to 10.", show_default=False)
]
Category = Annotated[
    str | None,
    typer.Option(help="Of the data; of a suite several, comma-separated, all if not given.", show_default=False),
]
Labelled = Annotated[
    str | None,
    typer.Option("--data", help="For a RUN: labelled images, a folder or a known data set.", show_default=False),
]
Methods = Annotated[
    str | None, typer.Option(help="For a SUITE: the methods of figure 5, comma-separated.", show_default=False)
]
Preset = Annotated[str | None, typer.Option(help="For a SUITE: of UTAD; fast if not given.", show_default=False)]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="SECTION.KEY=VALUE",
        help="For a SUITE: override one setting of UTAD, or of another method (ae-ssim.steps=200).",
    ),
]
Limit = Annotated[
    int | None, typer.Option(help="For a SUITE: most images per category, for a trial.", min=2, show_default=False)
]


def figures(
    source: Source,
    output: Output,
    only: Only = None,
    images: Annotated[int, typer.Option(help="Images with defects to show of a category.", min=1)] = 4,
    category: Category = None,
    data: Labelled = None,
    layout: Layout = None,
    root: Root = None,
    methods: Methods = None,
    preset: Preset = None,
    settings: Settings = None,
    limit: Limit = None,
    seed: Annotated[int, typer.Option(help="Of t-SNE; of a suite also of splits and methods.", min=0)] = 0,
    as_json: Json = False,
) -> None:
    """Draw the paper's figures of SUITE, training what they need, or of RUN those that one model gives.

    5: methods side by side. 6: one stage and two. 7: intermediate results. 8: latent space. 9: measurements and
    ablations. 10: with and without the detail extractor. The images are chosen by a rule that is printed, never by
    hand. What was trained for a suite is kept: the same command goes on.
    """
    start_logging()
    from utad.evaluation.suites import SUITES

    numbers = _numbers(only)
    if source in SUITES:
        _refuse({"--data": data, "--layout": layout}, f"{source} is a suite, it has its own data")
        summary = _of_suite(
            source,
            output,
            numbers=numbers,
            methods=names_in(methods) if methods is not None else None,
            categories=names_in(category) if category is not None else None,
            root=root,
            seed=seed,
            preset=preset or "fast",
            settings=settings or (),
            limit=limit,
            images=images,
        )
    else:
        given = {"--methods": methods, "--preset": preset, "--set": settings, "--limit": limit}
        _refuse(given, f"{source} is no suite, and a model is not trained again")
        summary = _of_model(
            Path(source),
            output,
            numbers=numbers,
            data=data,
            category=category,
            layout=layout,
            root=root,
            images=images,
            seed=seed,
        )
    _tell(summary, output, as_json=as_json)


def _tell(summary: FigureSummary, output: Path, *, as_json: bool) -> None:
    """Says what was drawn of which images; exits with 1 if something could not be drawn."""
    if as_json:
        print_json(summary.as_dict())
    rules = list(dict.fromkeys(figure["rule"] for figure in summary.figures if figure["rule"]))
    lines = [*rules, *(f"Left out: {line}." for line in summary.left_out)]
    lines.append(f"{counted(len(summary.figures), 'figure')}: {output / summary.opens}")
    say("\n".join(lines), as_json=as_json)
    for line in summary.failed:
        typer.echo(f"not drawn: {line}", err=True)
    if summary.failed:
        raise typer.Exit(1)


def _of_suite(suite: str, output: Path, **wanted: Any) -> FigureSummary:
    from utad.evaluation.figure_plan import METHODS, NUMBERS, plan_figures
    from utad.evaluation.suites import suite_named
    from utad.report.figure_folder import figures_of_suite

    wanted |= {"numbers": wanted["numbers"] or NUMBERS, "methods": wanted["methods"] or METHODS}
    plan = plan_figures(suite_named(suite), **wanted)
    return figures_of_suite(plan, output, begin=_announce, report=partial(show, seed=False))


def _of_model(
    model: Path,
    output: Path,
    *,
    numbers: tuple[int, ...] | None,
    data: str | None,
    category: str | None,
    layout: str | None,
    root: Path | None,
    images: int,
    seed: int,
) -> FigureSummary:
    from utad.data.catalog import folders_of, open_category
    from utad.detector import UTAD
    from utad.errors import ConfigError
    from utad.evaluation.figure_plan import OF_ONE_MODEL, check_numbers
    from utad.evaluation.suites import SUITES
    from utad.overlap import refuse_overlap
    from utad.report.figure_folder import figures_of_model
    from utad.training_images import unseen

    check_numbers(numbers or OF_ONE_MODEL, OF_ONE_MODEL)
    if not model.exists():
        raise ConfigError(f"got {model}, which is neither a model nor one of the suites {', '.join(SUITES)}")
    detector = UTAD.load(model)
    if data is None:
        raise typer.BadParameter(
            "a model keeps no test images: name a folder or data set of labelled ones", param_hint="--data"
        )
    given = folders_of(data, root=root)
    refuse_overlap(output, given)
    opened = open_category(data, category=category, root=root, seed=detector.config.seed, layout=layout, split=False)
    return figures_of_model(
        detector,
        replace(opened, test=unseen(opened.test, model)),
        output,
        numbers=numbers or OF_ONE_MODEL,
        images=images,
        seed=seed,
        apart_from=given,
        subject=f"Model {model}, data {data}.",
    )


def _numbers(only: str | None) -> tuple[int, ...] | None:
    if only is None:
        return None
    names = names_in(only)
    wrong = [name for name in names if not name.isdigit()]
    if wrong or not names:
        raise typer.BadParameter(f"{only!r} is not a list of numbers such as 5,7", param_hint="--only")
    return tuple(int(name) for name in names)


def _refuse(given: dict[str, Any], reason: str) -> None:
    """Refuses options that do not go with the source."""
    names = [name for name, value in given.items() if value is not None and value != []]
    if names:
        raise typer.BadParameter(f"{reason}: leave it out", param_hint=", ".join(names))


def _announce(runner: FigureRunner) -> None:
    waiting = runner.total - runner.done
    if waiting:
        before = f", {runner.done} are there already" if runner.done else ""
        minutes = max(1, round(runner.seconds_left / 60))
        typer.echo(
            f"{counted(waiting, 'cell')} to train and score{before}: about {minutes} min on two cores with preset fast "
            "and its steps",
            err=True,
        )
