"""`utad calibrate`: sets the threshold of a trained model anew."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from utad.cli.options import Category, Json, Layout, Model, Root, Runtime, on_terminal, print_json, say, start_logging

if TYPE_CHECKING:
    from utad.recalibration import Recalibration
    from utad.types import Sample


_FPR, _FAIL_FPR, _TARGET = 0.01, 0.001, "f1"


@dataclass(frozen=True)
class _Wanted:
    """What the threshold is to be set to: a target on labelled images, or two rates of normal ones."""

    target: str
    fpr: float
    fail_fpr: float


def calibrate(
    model: Model,
    normal: Annotated[Path | None, typer.Option(help="Folder of normal images.", show_default=False)] = None,
    labelled: Annotated[
        str | None, typer.Option(help="Data with normal and anomalous test images.", show_default=False)
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Bring back what the last calibration replaced.")] = False,
    target: Annotated[
        str | None,
        typer.Option(help=f"With --labelled: f1, or recall=0.95; {_TARGET} if not given.", show_default=False),
    ] = None,
    fpr: Annotated[
        float | None,
        typer.Option(
            help=f"With --normal: share of normal images above the threshold, below 0.5; {_FPR} if not given.",
            show_default=False,
        ),
    ] = None,
    fail_fpr: Annotated[
        float | None,
        typer.Option(
            help=f"With --normal: share of normal images in the band fail; {_FAIL_FPR} if not given.",
            show_default=False,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Fewer than 10 images will do.")] = False,
    category: Category = None,
    layout: Layout = None,
    root: Root = None,
    runtime: Runtime = "auto",
    as_json: Json = False,
) -> None:
    """Set MODEL's threshold from normal images, or from labelled ones, and save it in place."""
    start_logging()
    if (normal is not None) + (labelled is not None) + undo != 1:
        raise typer.BadParameter("give one of --normal DIR, --labelled DATA and --undo", param_hint="--normal")
    from utad.errors import ConfigError
    from utad.export.exported import ExportedDetector
    from utad.loading import is_export, load_detector
    from utad.training_images import unseen

    wanted = _wanted(normal, labelled, target=target, fpr=fpr, fail_fpr=fail_fpr)
    stands_alone = is_export(model)
    if normal is not None and stands_alone:
        raise ConfigError(
            "the normalisation of an export lies inside its graph: run utad calibrate --normal on the model it was "
            "exported from, and export that again"
        )
    if undo:
        _undo(model, as_json=as_json)
        return
    detector = load_detector(model, runtime=runtime)
    # What lies outside a region of interest, the masks tell.
    masks = detector.region is not None
    seed = detector.config.seed
    given = _samples(normal, labelled, category=category, root=root, layout=layout, seed=seed, masks=masks)
    samples = unseen(given, model)
    if isinstance(detector, ExportedDetector) and stands_alone:
        outcome = detector.calibrate_labelled(samples, target=wanted.target, force=force, progress=on_terminal())
        saved = detector.save_threshold(model)
    else:
        from utad.detector import UTAD
        from utad.run_folder import find_model

        saved = find_model(model)
        trained = UTAD.load(saved)
        if normal is not None:
            outcome = trained.calibrate(
                samples,
                fpr=wanted.fpr,
                fail_fpr=wanted.fail_fpr,
                force=force,
                scored_by=detector,
                progress=on_terminal(),
            )
        else:
            outcome = detector.calibrate_labelled(samples, target=wanted.target, force=force, progress=on_terminal())
            # The graph beside a model keeps no history of its own.
            trained.calibrations = (*trained.calibrations, detector.calibrations[-1])
            trained.threshold = outcome.threshold
        trained.save(saved, graph=_has_graph(saved))
    if as_json:
        print_json(outcome.as_dict())
    say(_said(outcome, saved, model), as_json=as_json)


def _wanted(
    normal: Path | None, labelled: str | None, *, target: str | None, fpr: float | None, fail_fpr: float | None
) -> _Wanted:
    """What was asked for, and the defaults of the rest.

    Raises:
        typer.BadParameter: for an option that would change nothing, since the threshold is to be set in another way.
        ConfigError: if a value is out of range.
    """
    from utad.recalibration import parse_target
    from utad.thresholds import check_order, check_rate

    for name, value, goes_with, there in (
        ("--target", target, "--labelled", labelled is not None),
        ("--fpr", fpr, "--normal", normal is not None),
        ("--fail-fpr", fail_fpr, "--normal", normal is not None),
    ):
        if value is not None and not there:
            raise typer.BadParameter(f"got {value}, which goes with {goes_with} alone: leave it out", param_hint=name)
    rate = check_rate(_FPR if fpr is None else fpr)
    if fail_fpr is not None:
        check_order(rate, check_rate(fail_fpr, "fail_fpr"))
    found = _Wanted(_TARGET if target is None else target, rate, min(_FAIL_FPR, rate) if fail_fpr is None else fail_fpr)
    parse_target(found.target)
    return found


def _samples(
    normal: Path | None,
    labelled: str | None,
    *,
    category: str | None,
    root: Path | None,
    layout: str | None,
    seed: int,
    masks: bool,
) -> list[Sample]:
    from utad.data.catalog import open_category
    from utad.inputs import all_normal_samples

    if normal is not None:
        # Resolved: a folder stays a folder, though a data set has its name.
        return all_normal_samples(str(normal.resolve()), category=category, root=root, layout=layout)
    found = open_category(
        str(labelled), category=category, root=root, seed=seed, layout=layout, split=False, masks=masks
    )
    return list(found.test)


def _undo(model: Path, *, as_json: bool) -> None:
    from utad.export.exported import ExportedDetector
    from utad.loading import is_export

    if is_export(model):
        export = ExportedDetector.load(model)
        threshold, left = export.undo_calibration().threshold, len(export.calibrations)
        saved = export.save_threshold(model)
    else:
        from utad.detector import UTAD
        from utad.run_folder import find_model

        saved = find_model(model)
        detector = UTAD.load(saved)
        threshold, left = detector.undo_calibration().threshold, len(detector.calibrations)
        detector.save(saved, graph=_has_graph(saved))
    if as_json:
        print_json({"threshold": threshold, "basis": "undo", "left": left})
    say(
        f"threshold {threshold:.4f}, as before the last calibration; {left} earlier ones; saved in {saved}",
        as_json=as_json,
    )


def _has_graph(model: Path) -> bool:
    """Whether a graph lies beside a model, to be kept in step; who trained without one wants none now."""
    from utad.loading import is_export
    from utad.run_folder import GRAPH_FORMAT

    return is_export(model.parent / GRAPH_FORMAT)


def _said(outcome: Recalibration, saved: Path, model: Path) -> str:
    lines = [f"threshold {outcome.threshold:.4f} ({outcome.basis}); saved in {saved}"]
    lines += [
        f"of these {part.n_images} {part.kind} images it calls {part.after} anomalous, before it was {part.before}"
        for part in outcome.flagged
    ]
    return "\n".join([*lines, f"utad calibrate {quote(str(model))} --undo brings the threshold of before back"])
