"""`utad watch`: scores the images of a folder as they come."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    print_json,
    start_logging,
    wanted_kinds,
)

if TYPE_CHECKING:
    from utad.serving.watch.delivery import Channel


def watch(
    model: Model,
    folder: Annotated[Path, typer.Argument(help="The folder that images come to.", show_default=False)],
    output: Output,
    save: Save = "maps,masks",
    settle: Annotated[
        float, typer.Option(help="Seconds for which a file must not change to be complete.", min=0.0)
    ] = 1.0,
    poll: Annotated[
        float | None,
        typer.Option(
            help="Look every so many seconds instead of waiting for events: network shares.", show_default=False
        ),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Score what is there, and end.")] = False,
    flagged: Annotated[
        Path | None, typer.Option(help="Folder for copies of the images called anomalous.", show_default=False)
    ] = None,
    link: Annotated[bool, typer.Option("--link/--copy", help="In --flagged, links instead of copies.")] = False,
    webhook: Annotated[
        str | None, typer.Option(metavar="URL", help="Post each result to this address as JSON.", show_default=False)
    ] = None,
    mqtt: Annotated[
        str | None,
        typer.Option(metavar="HOST[:PORT]/TOPIC", help="Publish each result to this topic.", show_default=False),
    ] = None,
    threshold: Threshold = None,
    fpr: Fpr = None,
    fail_fpr: FailFpr = None,
    batch_size: BatchSize = 8,
    runtime: Runtime = "auto",
    as_json: Json = False,
) -> None:
    """Score each image that comes to FOLDER once, and add it to predictions.csv and predictions.jsonl in --output."""
    start_logging()
    check_decision(threshold, fpr)

    from utad.loading import identity, load_detector
    from utad.overlap import refuse_overlap
    from utad.serving.watch.folder import WatchOptions, watch_folder

    options = WatchOptions(
        settle=settle,
        poll=poll,
        once=once,
        batch_size=batch_size,
        save=wanted_kinds(save),
        flagged=flagged,
        link=link,
    )
    channels = _channels(webhook, mqtt)
    refuse_overlap(output, [folder])
    if flagged is not None:
        refuse_overlap(flagged, [folder])
    detector = load_detector(model, runtime=runtime)
    decide(detector, threshold, fpr, fail_fpr)
    summary = watch_folder(detector, folder, output, options=options, channels=channels, run=identity(model, detector))
    if as_json:
        print_json(summary.as_dict())
    before = f", {summary.n_before} before" if summary.n_before else ""
    undelivered = f", {summary.n_undelivered} messages not delivered" if summary.n_undelivered else ""
    conclude(
        f"{counted(summary.n_images)}, {summary.n_anomalous} anomalous{before}{undelivered}",
        list(summary.failed),
        not_done="scored",
        leads_to=output / "predictions.csv",
        as_json=as_json,
    )


def _channels(webhook: str | None, mqtt: str | None) -> list[Channel]:
    """What the results are sent to.

    Raises:
        ConfigError: if an address is none.
        MissingDependencyError: if a package is missing.
    """
    channels: list[Channel] = []
    if webhook is not None:
        from utad.serving.watch.webhook import Webhook

        channels.append(Webhook(webhook))
    if mqtt is not None:
        from utad.serving.watch.mqtt import MqttTopic

        channels.append(MqttTopic(mqtt))
    return channels
