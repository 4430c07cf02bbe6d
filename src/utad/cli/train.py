"""`utad train`: from normal images to a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import Annotated, Literal

import typer

from utad.cli.options import (
    Category,
    Data,
    Json,
    Layout,
    Output,
    Root,
    counted,
    kinds_of,
    on_terminal,
    print_json,
    read_from,
    say,
    start_logging,
)
from utad.cli.train_all import Plan, train_all

LOGGERS = ("tensorboard", "mlflow", "none")

_NAMED = 3


def train(
    data: Data,
    output: Output,
    category: Category = None,
    layout: Layout = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="fast (if nothing else is said), balanced, accurate, paper or paper-small.", show_default=False
        ),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="YAML on top of the preset.", exists=True, dir_okay=False)] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Override one setting; repeatable."),
    ] = None,
    backbone: Annotated[
        str | None,
        typer.Option(help="efficientnet_lite0, efficientnet_lite2, or any timm model.", show_default=False),
    ] = None,
    backbone_weights: Annotated[
        Path | None,
        typer.Option(help="File of the backbone's weights, .safetensors or .pth.", exists=True, dir_okay=False),
    ] = None,
    root: Root = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where an interrupted run stopped.")] = False,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave damaged images out instead of stopping.")] = False,
    download: Annotated[bool, typer.Option("--download", help="Let torchvision fetch a data set it knows.")] = False,
    seed: Annotated[
        int | None,
        typer.Option(help="Of everything random; that of --config or 0 if not given.", min=0, show_default=False),
    ] = None,
    graph: Annotated[
        bool,
        typer.Option("--graph/--no-graph", help="Write the graph that scores faster beside the model."),
    ] = True,
    report: Annotated[
        bool, typer.Option("--report/--no-report", help="Write report.html, a page of how the training went.")
    ] = True,
    accelerator: Annotated[
        Literal["auto", "cpu", "gpu", "mps"] | None,
        typer.Option(
            help="What trains: auto, if nothing else is said, takes a GPU where there is one.", show_default=False
        ),
    ] = None,
    devices: Annotated[
        int | None,
        typer.Option(help="That train one detector, 1 if not given; on a CPU processes.", min=1, show_default=False),
    ] = None,
    logger: Annotated[
        str,
        typer.Option(help="Comma-separated trackers that get the losses too: tensorboard, mlflow; or none."),
    ] = "none",
    every: Annotated[
        bool,
        typer.Option(
            "--all", help="Train a detector for each category, or folder, in DATA, and write an index of them."
        ),
    ] = False,
    jobs: Annotated[
        int, typer.Option(help="Processes at a time with --all, which share the cores.", min=1, show_default=False)
    ] = 1,
    as_json: Json = False,
) -> None:
    """Train on the normal images of DATA and write the detector to --output, with a report of the training."""
    start_logging()
    loggers = tuple(name for name in kinds_of(logger, LOGGERS, option="--logger") if name != "none")
    from utad.config import load_config
    from utad.data.catalog import folders_of, open_category
    from utad.overlap import refuse_overlap

    inputs = folders_of(data, root=root)
    refuse_overlap(output, inputs)
    of_training = {"accelerator": accelerator, "devices": devices}
    given = {"backbone.name": backbone, "backbone.weights": backbone_weights, **of_training}
    overrides = _with_options(settings or (), {key: str(value) for key, value in given.items() if value is not None})
    resolved = load_config(preset, file=config, overrides=overrides, seed=seed)
    if every:
        if category is not None:
            raise typer.BadParameter("--all trains every category: leave one of them out", param_hint="--category")
        if download and jobs > 1:
            raise typer.BadParameter(
                "processes at a time would fetch the same files: leave it out", param_hint="--jobs"
            )
        plan = Plan(data, output, resolved, root=root, layout=layout, inputs=inputs, resume=resume, report=report)
        flags = {"--resume": resume, "--skip-bad": skip_bad, "--download": download, "--no-report": not report}
        switched = [flag for flag, on in (flags | {"--no-graph": not graph}).items() if on]
        train_all(plan, [*switched, f"--logger={logger}"], jobs=jobs, as_json=as_json)
        return
    if jobs > 1:
        raise typer.BadParameter("one detector is trained in one process: it goes with --all", param_hint="--jobs")

    from utad.detector import UTAD
    from utad.report.training_page import training_page
    from utad.run_folder import REPORT_NAME

    images = open_category(
        data, category=category, root=root, seed=resolved.seed, download=download, layout=layout, masks=False
    )
    detector = UTAD(config=resolved)
    page = training_page if report else None
    detector.fit(
        images,
        output=output,
        resume=resume,
        skip_bad=skip_bad,
        progress=on_terminal(),
        graph=graph,
        report=page,
        loggers=loggers,
    )
    done = detector.report_
    assert done is not None
    written = str(output / REPORT_NAME) if report else None
    if as_json:
        told = {"model": str(done.model), "report": written, "threshold": done.record.threshold}
        print_json({**told, **done.as_dict(), **read_from(images)})
    say(
        f"trained on {done.n_images} images in {done.seconds:.0f} s"
        + (f", {counted(done.n_skipped, 'damaged image')} left out" if done.n_skipped else "")
        + f"\nmost unusual of them: {', '.join(image.name for image in done.unusual[:_NAMED])}"
        + f"\nmodel: {done.model}"
        + (f"\nreport: {written}" if written else "")
        + f"\nnext: utad predict {quote(str(output))} IMAGES --output predictions",
        as_json=as_json,
    )


def _with_options(settings: Sequence[str], given: Mapping[str, str]) -> list[str]:
    """The settings with those that have an option of their own.

    Raises:
        typer.BadParameter: if both are there and differ.
    """
    for setting in settings:
        key, _, value = (part.strip() for part in setting.partition("="))
        if given.get(key, value) != value:
            raise typer.BadParameter(
                f"got {setting}, and {given[key]} by its own option: leave one out", param_hint="--set"
            )
    return [*settings, *(f"{key}={value}" for key, value in given.items())]
