"""The normal images that a model keeps, in the folder of its exported graph. Without torch."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from utad.data.reading import load_image
from utad.errors import checked
from utad.export.manifest import Manifest, read_verified
from utad.interpret.figures import to_8_bit
from utad.interpret.normal_images import NormalImages, keep_images
from utad.predictor import Predictor
from utad.types import Image, Sample

KEPT_IMAGES_NAME = "normal_images.npz"

MOST_IMAGES = 300
"""That are scored for their codes; as many as the ranges of int8 are taken from."""


def write_kept_images(folder: Path, images: NormalImages) -> None:
    """Writes thumbnails and codes as arrays.

    Raises:
        OSError: if that is not possible.
    """
    arrays: dict[str, Any] = images.arrays()  # numpy's types have room for arrays of any name
    np.savez(folder / KEPT_IMAGES_NAME, **arrays)


def images_scored_by(
    exported: Predictor, normal: Sequence[Sample], *, side: int, max_pixels: int, max_bytes: int
) -> NormalImages | None:
    """Normal images to keep, with the codes that a graph itself gives them.

    Args:
        exported: scores with the graph.
        normal: normal images, of which at most `MOST_IMAGES` are taken, evenly from all.
        side: that the networks see, to which the images are made smaller meanwhile.
        max_pixels: as for `read_image`.
        max_bytes: of all that is kept.

    Returns:
        None where not even one fits.

    Raises:
        ImageReadError: naming an image that cannot be read.
    """
    chosen = normal[:: -(-len(normal) // MOST_IMAGES)]
    codes = np.stack([checked(outcome).code for _, outcome in exported.predict_samples(chosen)])
    pictures = [_smaller(load_image(sample, max_pixels=max_pixels), side) for sample in chosen]
    return keep_images(pictures, codes, [sample.name for sample in chosen], max_bytes=max_bytes)


def _smaller(image: Image, side: int) -> NDArray[np.uint8]:
    picture = PIL.Image.fromarray(to_8_bit(image))
    return np.array(picture.resize((side, side), PIL.Image.Resampling.BOX))


def read_kept_images(folder: Path, manifest: Manifest) -> NormalImages | None:
    """The normal images of an exported folder; None where it has none.

    Raises:
        ModelFileError: if the file is missing or does not match its sha256.
    """
    if KEPT_IMAGES_NAME not in manifest.files:
        return None
    content = read_verified(folder, KEPT_IMAGES_NAME, manifest)
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return NormalImages.of_arrays(dict(arrays))
