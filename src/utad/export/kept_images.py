"""The normal images that a model keeps, in the folder of its exported graph. Without torch."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from utad.export.manifest import Manifest, read_verified
from utad.interpret.normal_images import NormalImages

KEPT_IMAGES_NAME = "normal_images.npz"


def write_kept_images(folder: Path, images: NormalImages) -> None:
    """Writes thumbnails and codes as arrays.

    Raises:
        OSError: if that is not possible.
    """
    arrays: dict[str, Any] = images.arrays()  # numpy's types have room for arrays of any name
    np.savez(folder / KEPT_IMAGES_NAME, **arrays)


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
