"""The pictures that there are of a prediction, and those that are kept in folders."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from utad.data.reading import load_image
from utad.errors import InputError
from utad.evaluation.prediction_tables import SAVABLE
from utad.interpret.figures import heat_layer, heat_overlay, strength, to_8_bit
from utad.interpret.png import encode_map, png_writer
from utad.types import Image, Prediction, Sample

PICTURES: Mapping[str, Callable[[Prediction, Callable[[], Image]], NDArray[Any]]] = {
    "map": lambda prediction, _: encode_map(prediction.anomaly_map),
    "mask": lambda prediction, _: prediction.pred_mask,
    "overlay": lambda prediction, image: heat_overlay(
        image(), prediction.anomaly_map, prediction.pred_mask, prediction.inside
    ),
    "heat": lambda prediction, _: heat_layer(strength(prediction.anomaly_map, prediction.inside)),
    "image": lambda _, image: to_8_bit(image()),
    "impression": lambda prediction, _: prediction.impression,
    "naive_impression": lambda prediction, _: prediction.naive_impression,
    "reconstruction": lambda prediction, _: prediction.reconstruction,
}
"""What becomes a PNG, from the prediction and what gives its image: the map `(H, W)` uint16, as `encode_map` has it,
the mask `(H, W)` bool, the heat `(H, W, 4)` uint8, to be laid over the image, the others `(H, W, 3)` uint8."""

_FOLDERS = {
    "maps": ("map",),
    "masks": ("mask",),
    "overlays": ("overlay",),
    "impressions": ("impression", "naive_impression", "reconstruction"),
}


def picture_folders(save: frozenset[str]) -> list[str]:
    """The folders of what is to be saved, each of one kind of `PICTURES`.

    Raises:
        InputError: for anything that is not one of `SAVABLE`.
    """
    unknown = sorted(save.difference(SAVABLE))
    if unknown:
        raise InputError(f"got {', '.join(unknown)} to save, expected some of {', '.join(SAVABLE)}")
    return [f"{kind}s" for part in SAVABLE if part in save for kind in _FOLDERS[part]]


def pictures_of(
    sample: Sample, prediction: Prediction, folders: Sequence[str]
) -> Iterator[tuple[str, Callable[[Path], object]]]:
    """For each folder what writes the picture to a path; it is made when it is asked for.

    Raises:
        ImageReadError: for an overlay, if the image cannot be read any more.
    """
    for folder in folders:
        yield folder, png_writer(PICTURES[folder.removesuffix("s")](prediction, lambda: load_image(sample)))
