"""Pictures and arrays of a prediction that a client may ask for."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from utad.interpret.figures import heat_overlay
from utad.interpret.png import encode_map
from utad.types import Image, Prediction

_QUICK = 1
"""Of zlib: a client waits for the picture."""

KINDS: Mapping[str, Callable[[Image, Prediction], NDArray[Any]]] = {
    "map": lambda _, prediction: encode_map(prediction.anomaly_map),
    "mask": lambda _, prediction: prediction.pred_mask,
    "overlay": lambda image, prediction: heat_overlay(
        image, prediction.anomaly_map, prediction.pred_mask, prediction.inside
    ),
    "impression": lambda _, prediction: prediction.impression,
    "naive_impression": lambda _, prediction: prediction.naive_impression,
    "reconstruction": lambda _, prediction: prediction.reconstruction,
}
"""What becomes a PNG: the map with 16 bits as `utad predict` writes it, the mask with 1 bit, pictures with 8."""

ARRAYS: Mapping[str, type[np.generic]] = {
    "anomaly_map": np.float32,
    "pred_mask": np.bool_,
    "impression": np.uint8,
    "naive_impression": np.uint8,
    "reconstruction": np.uint8,
}
"""Fields of a `Prediction` that can be had as arrays, with their types."""


def png_of(kind: str, image: Image, prediction: Prediction) -> bytes:
    """One of `KINDS` as the content of a PNG file, at the size of the image."""
    file = io.BytesIO()
    PIL.Image.fromarray(KINDS[kind](image, prediction)).save(file, "PNG", compress_level=_QUICK)
    return file.getvalue()
