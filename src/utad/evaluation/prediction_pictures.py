"""The pictures that can be kept of a prediction: which folders they go to, and how each is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from utad.data.reading import load_image
from utad.errors import InputError
from utad.interpret.figures import heat_overlay
from utad.interpret.png import encode_map, png_writer
from utad.types import Prediction, Sample

SAVABLE = ("maps", "masks", "overlays", "impressions")
"""What can be kept of each image."""

_FOLDERS = {"impressions": ("impressions", "naive_impressions", "reconstructions")}


def picture_folders(save: frozenset[str]) -> list[str]:
    """The folders of what is to be saved.

    Raises:
        InputError: for anything that is not one of `SAVABLE`.
    """
    unknown = sorted(save.difference(SAVABLE))
    if unknown:
        raise InputError(f"got {', '.join(unknown)} to save, expected some of {', '.join(SAVABLE)}")
    return [folder for part in SAVABLE if part in save for folder in _FOLDERS.get(part, (part,))]


def pictures_of(
    sample: Sample, prediction: Prediction, folders: Sequence[str]
) -> Iterator[tuple[str, Callable[[Path], object]]]:
    """For each folder what writes the picture to a path; it is made when it is asked for.

    Raises:
        ImageReadError: for an overlay, if the image cannot be read any more.
    """
    pixels: dict[str, Callable[[], NDArray[Any]]] = {
        "maps": lambda: encode_map(prediction.anomaly_map),
        "masks": lambda: prediction.pred_mask,
        "overlays": lambda: heat_overlay(
            load_image(sample), prediction.anomaly_map, prediction.pred_mask, prediction.inside
        ),
        "impressions": lambda: prediction.impression,
        "naive_impressions": lambda: prediction.naive_impression,
        "reconstructions": lambda: prediction.reconstruction,
    }
    for folder in folders:
        yield folder, png_writer(pixels[folder]())
