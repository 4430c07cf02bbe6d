"""Options that several commands share, and how they speak."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from utad.evaluation.prediction_tables import SAVABLE

if TYPE_CHECKING:
    from utad.predictor import Predictor
    from utad.types import Category as Images

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
Model = Annotated[
    Path, typer.Argument(help="A model file, the folder of a run, or an exported folder.", show_default=False)
]
Data = Annotated[
    str,
    typer.Argument(help="A folder, or a known data set (utad doctor lists them).", show_default=False),
]
Category = Annotated[
    str | None,
    typer.Option(
        "--category",
        help="Category of a data set that has several; of class folders the normal class.",
        show_default=False,
    ),
]
Layout = Annotated[
    str | None,
    typer.Option(
        "--layout",
        help="How a folder is arranged, instead of recognising it: mvtec, classes, flat, ... (README: Layouts).",
        show_default=False,
    ),
]
Root = Annotated[Path | None, typer.Option("--root", help="Where a downloaded data set lies.", show_default=False)]
Output = Annotated[Path, typer.Option("--output", help="Folder to write to.", show_default=False)]
Threshold = Annotated[
    float | None,
    typer.Option(help="On the normalised score; the model's own if not given.", show_default=False),
]
Fpr = Annotated[
    float | None,
    typer.Option(help="Rate of normal images above the threshold, instead of --threshold.", show_default=False),
]
FailFpr = Annotated[float | None, typer.Option(help="Rate of normal images in the band `fail`.", show_default=False)]
Save = Annotated[str, typer.Option(help=f"Comma-separated: {', '.join(SAVABLE)}; or none.")]
BatchSize = Annotated[int, typer.Option(help="Images scored together.", min=1)]

Runtime = Annotated[
    Literal["auto", "torch", "openvino", "onnx"],
    typer.Option(help="What computes: auto takes the graph beside the model where it belongs to it, else PyTorch."),
]


def on_terminal() -> bool:
    """Whether progress bars have somebody to look at them."""
    return sys.stderr.isatty()


def start_logging() -> None:
    """Lets the library's warnings and progress messages through to stderr."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("utad").setLevel(logging.INFO)
    # It tells of its caches where the home folder cannot be written, which is nobody's concern here.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)


def say(text: str, *, as_json: bool) -> None:
    """Prints text for people; with --json, stdout is for the one JSON object alone."""
    if not as_json:
        print(text.encode("utf-8", "backslashreplace").decode("utf-8"))


def counted(count: int, what: str = "image") -> str:
    """A number of things in words: 1 image, 2 images."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def names_in(text: str) -> tuple[str, ...]:
    """The names of a comma-separated option, in its order."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def kinds_of(text: str, known: Sequence[str], *, option: str = "--save") -> tuple[str, ...]:
    """What a comma-separated option names, each once, in its order.

    Args:
        text: of the option.
        known: what it may name.
        option: its name.

    Raises:
        typer.BadParameter: if it names anything else.
    """
    kinds = tuple(dict.fromkeys(names_in(text)))
    unknown = sorted(set(kinds).difference(known))
    if unknown:
        raise typer.BadParameter(f"unknown {', '.join(unknown)}: choose from {', '.join(known)}", param_hint=option)
    return kinds


def wanted_kinds(save: str) -> frozenset[str]:
    """What --save names of a prediction.

    Raises:
        typer.BadParameter: if it names anything that is not savable.
    """
    return frozenset(kinds_of(save, (*SAVABLE, "none"))) - {"none"}


def check_decision(threshold: float | None, fpr: float | None) -> None:
    """Refuses, before anything is loaded, a threshold that cannot be.

    Raises:
        ConfigError: if it is not finite.
        typer.BadParameter: if there are both a threshold and a rate.
    """
    if threshold is not None and fpr is not None:
        raise typer.BadParameter("give either --threshold or --fpr", param_hint="--threshold / --fpr")
    if threshold is not None:
        from utad.thresholds import check_threshold

        check_threshold(threshold)


def decide(detector: Predictor, threshold: float | None, fpr: float | None, fail_fpr: float | None) -> None:
    """Sets the thresholds of a detector as the options say, and warns of what they lead to."""
    from utad.thresholds import warn_if_low, warn_if_no_review

    detector.set_rates(fpr=fpr, fail_fpr=fail_fpr)
    if threshold is not None:
        detector.threshold = threshold
        warn_if_low(threshold, detector.normal_scores)
    if fail_fpr is not None:
        warn_if_no_review(detector.threshold, detector.fail_threshold)


def conclude(done: str, failed: Sequence[str], *, not_done: str, leads_to: Path, as_json: bool) -> None:
    """Says what a command made of its images; exits with 1 if some of them could not be read.

    Args:
        done: what was made of how many images, in words.
        failed: what could not be read, each with its reason.
        not_done: the participle before each of these.
        leads_to: the file to open.
        as_json: stdout is for the JSON object alone.
    """
    unread = f", {len(failed)} could not be read" if failed else ""
    say(f"{done}{unread}: {leads_to}", as_json=as_json)
    tell_failures(failed, not_done=not_done)


def tell_failures(failed: Sequence[str], *, not_done: str) -> None:
    """Names what a command failed for, and exits with 1 if there is any; arguments as for `conclude`."""
    for failure in failed:
        typer.echo(f"not {not_done}: {failure}", err=True)
    if failed:
        raise typer.Exit(1)


def print_json(values: Mapping[str, Any]) -> None:
    """Prints the JSON object of a command."""
    # Names that are not UTF-8 become JSON's own escapes, where the terminal or file would refuse them.
    text = json.dumps(values, allow_nan=False, ensure_ascii=False)
    print(text.encode("utf-8", "backslashreplace").decode("utf-8"))


def read_from(images: Images) -> dict[str, Any]:
    """How a folder was read, and what was left out, for the JSON object of a command."""
    return {"layout": images.layout or None, "left_out": list(images.left_out)}
