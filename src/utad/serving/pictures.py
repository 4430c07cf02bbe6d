"""Pictures and arrays of a prediction that a client may ask for."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np
import PIL.Image

from utad.evaluation.prediction_pictures import PICTURES
from utad.interpret.contours import outline_path
from utad.types import Image, Prediction

_QUICK = 1
"""Of zlib: a client waits for the picture."""

_FINEST = 512
_MOST_CHARACTERS = 40_000
"""Of the outlines of one mask."""

KINDS = tuple(PICTURES)
"""What can be had as a PNG: what `utad predict` writes, the image, and the heat to be laid over it."""

ARRAYS: Mapping[str, type[np.generic]] = {
    "anomaly_map": np.float32,
    "pred_mask": np.bool_,
    "impression": np.uint8,
    "naive_impression": np.uint8,
    "reconstruction": np.uint8,
}
"""Fields of a `Prediction` that can be had as arrays, with their types."""


def png_of(kind: str, image: Image, prediction: Prediction, *, longest: int | None = None) -> bytes:
    """One of `KINDS` as the content of a PNG file.

    Args:
        kind: which.
        image: `(H, W, 3)`.
        prediction: of the image.
        longest: side of the picture, in pixels; None for the size of the image.
    """
    file = io.BytesIO()
    picture = PIL.Image.fromarray(PICTURES[kind](prediction, lambda: image))
    if longest is not None:
        # The means of colours are colours; those of a mask or of 16 bits would be values that nobody has computed.
        smooth = picture.mode in ("RGB", "RGBA")
        picture.thumbnail((longest, longest), PIL.Image.Resampling.BOX if smooth else PIL.Image.Resampling.NEAREST)
    picture.save(file, "PNG", compress_level=_QUICK)
    return file.getvalue()


def outlines_of(prediction: Prediction) -> dict[str, str]:
    """The outlines of the `mask` and of the `region` of interest, where there is one: paths of an SVG."""
    masks = {"mask": prediction.pred_mask, "region": prediction.inside}
    return {
        name: outline_path(mask, _MOST_CHARACTERS, finest=_FINEST) for name, mask in masks.items() if mask is not None
    }
