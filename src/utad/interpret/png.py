"""Maps and masks as PNG files: 16 bits for a map, 1 bit for a mask."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from utad.files import write_atomically
from utad.interpret.figures import strength
from utad.types import FloatMap, Mask


def encode_map(anomaly_map: FloatMap) -> NDArray[np.uint16]:
    """A normalised map to 16 bits: 65535 (1 - 4^(-v)), so that the middle grey is the threshold of 0.5."""
    return np.round(65535.0 * strength(anomaly_map).astype(np.float64)).astype(np.uint16)


def decode_map(values: NDArray[np.uint16]) -> FloatMap:
    """The inverse of `encode_map` for values from 0 to 8; what was below 0 comes back as 0."""
    share = np.minimum(values.astype(np.float64), 65534.5) / 65535.0
    return np.asarray(-np.log(1.0 - share) / np.log(4.0), dtype=np.float32)


def write_png(path: Path, pixels: NDArray[np.uint8] | NDArray[np.uint16] | Mask) -> None:
    """Writes a PNG atomically: bool `(H, W)` with 1 bit, uint16 `(H, W)` with 16, uint8 `(H, W[, 3])` with 8.

    Raises:
        OutputError: if the file cannot be written.
    """
    write_atomically(path, png_writer(pixels))


def png_writer(pixels: NDArray[np.uint8] | NDArray[np.uint16] | Mask) -> Callable[[Path], None]:
    """Writes such pixels to the path that it is called with."""
    picture = PIL.Image.fromarray(pixels)
    return lambda path: picture.save(path, format="PNG")
