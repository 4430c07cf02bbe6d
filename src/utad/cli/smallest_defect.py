"""What `utad doctor RUN` says: what a trained model is, and how small a defect it finds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import typer

from utad.cli.options import names_in, on_terminal

if TYPE_CHECKING:
    from utad.loading import Runtime


def inspect_model(
    model: Path,
    normal: Path | None,
    *,
    layout: str | None,
    runtime: Runtime,
    sizes: Sequence[float],
    contrasts: Sequence[float],
    n_images: int,
) -> dict[str, Any]:
    """Everything that is said of a model, as plain values; `smallest_defect` is None without normal images."""
    from utad.evaluation.smallest_defect import CONTRASTS, measure_smallest_defect
    from utad.loading import load_detector
    from utad.training_images import known_images

    detector = load_detector(model, runtime=runtime)
    found: dict[str, Any] = {
        "model": str(model),
        "image_size": detector.config.image.size,
        "backbone": detector.config.backbone.name,
        "threshold": detector.threshold,
        "fail_threshold": detector.fail_threshold,
        "normal_scores": len(detector.normal_scores),
        "calibrations": len(detector.calibrations),
        "region": float(detector.region.mask.mean()) if detector.region is not None else None,
        "tile": detector.tiling.side if detector.tiling is not None else None,
        "smallest_defect": None,
    }
    if normal is None:
        return found
    from utad.inputs import all_normal_samples

    samples = all_normal_samples(str(normal.resolve()), layout=layout)
    unknown = [sample for sample, known in zip(samples, known_images(samples, model), strict=True) if not known]
    measured = measure_smallest_defect(
        detector,
        unknown or samples,
        sizes=sizes,
        contrasts=contrasts or CONTRASTS,
        n_images=n_images,
        max_pixels=detector.config.image.max_pixels,
        progress=on_terminal(),
    )
    return found | {"smallest_defect": measured.as_dict() | {"trained_on": not unknown}}


def lines_of_model(found: dict[str, Any]) -> list[str]:
    """The same for people."""
    region = f"; {found['region']:.1%} of each image counts" if found["region"] is not None else ""
    lines = [
        f"model {found['model']}: {found['backbone']} at {found['image_size']} x {found['image_size']} pixels"
        f"{_tiles(found)}{region}",
        f"threshold {found['threshold']:.4g}"
        + (f", from {found['normal_scores']} normal images" if found["normal_scores"] else "")
        + (f", calibrated anew {found['calibrations']} times" if found["calibrations"] else ""),
    ]
    measured = found["smallest_defect"]
    if measured is None:
        again = f"utad doctor {quote(found['model'])} --normal FOLDER"
        return [*lines, f"how small a defect it finds: {again}, with normal images that it was not trained on"]
    return [*lines, *_table(measured, found["image_size"], _tiles(found))]


def _tiles(found: dict[str, Any]) -> str:
    return f", tiles of {found['tile']} x {found['tile']} pixels" if found["tile"] is not None else ""


def _table(measured: dict[str, Any], side: int, tiles: str) -> list[str]:
    height, width = measured["image_size"]
    lines = [
        f"found of {measured['n_images']} normal images with one defect each: called anomalous, and marked where it is",
        f"({measured['n_flagged']} of them are called anomalous without a defect; images of {width} x {height} pixels"
        f"{tiles}, resized to {side} x {side})",
    ]
    if measured["trained_on"]:
        lines.append("the model was trained on all of these images, which look more normal to it than new ones will")
    contrasts = list(dict.fromkeys(one["contrast"] for one in measured["recalls"]))
    for shape, what in (("spot", "diameter"), ("line", "width")):
        rows = [one for one in measured["recalls"] if one["shape"] == shape]
        lines.append(
            f"{f'{shape}, {what}':>16}" + "".join(f"{contrast:>8.0%}" for contrast in contrasts) + "  contrast"
        )
        for size in dict.fromkeys(one["size"] for one in rows):
            recalls = "".join(f"{one['recall']:>8.0%}" for one in rows if one["size"] == size)
            lines.append(f"{size:>13g} px{recalls}")
        smallest = [one for one in measured["smallest"] if one["shape"] == shape]
        lines.append(f"{'9 of 10 from':>16}" + "".join(f"{_pixels(one['size']):>8}" for one in smallest))
    return lines


def _pixels(size: float | None) -> str:
    return "-" if size is None else f"{size:g} px"


def numbers(text: str | None, name: str, *, percent: bool = False) -> list[float]:
    """The numbers of a comma-separated option.

    Raises:
        typer.BadParameter: if one is none, or not above 0.
    """
    found = []
    for part in names_in(text or ""):
        try:
            number = float(part) / (100 if percent else 1)
        except ValueError:
            number = 0.0
        if not 0 < number < (1.0000001 if percent else 1e6):
            raise typer.BadParameter(f"got {part}, expected numbers such as 8,16,32", param_hint=name)
        found.append(number)
    return found
