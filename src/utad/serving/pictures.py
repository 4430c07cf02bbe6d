"""Pictures and arrays of a prediction that a client may ask for."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np
import PIL.Image

from utad.evaluation.prediction_pictures import PICTURES
from utad.types import Image, Prediction

_QUICK = 1
"""Of zlib: a client waits for the picture."""

KINDS = tuple(PICTURES)
"""What can be had as a PNG: what `utad predict` writes."""

ARRAYS: Mapping[str, type[np.generic]] = {
    "anomaly_map": np.float32,
    "pred_mask": np.bool_,
    "impression": np.uint8,
    "naive_impression": np.uint8,
    "reconstruction": np.uint8,
}
"""Fields of a `Prediction` that can be had as arrays, with their types."""


def png_of(kind: str, image: Image, prediction: Prediction) -> bytes:
    """One of `KINDS` as the content of a PNG file, at the size of the image `(H, W, 3)`."""
    file = io.BytesIO()
    picture = PIL.Image.fromarray(PICTURES[kind](prediction, lambda: image))
    picture.save(file, "PNG", compress_level=_QUICK)
    return file.getvalue()
