"""What a model keeps of its training images, to show beside a new one those that look most like it. Without torch."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from utad.types import feature_means_of

THUMBNAIL = 96
"""Longest side of a thumbnail, in pixels."""

_QUALITY = 85
_LEAST_BYTES = 600
"""Fewer than any thumbnail of this size and quality has: bounds how many are encoded to see how many fit."""

_LARGEST = 1000.0


@dataclass(frozen=True)
class Neighbour:
    """A normal image that the model was trained on.

    Attributes:
        name: of the training image.
        distance: of its code; 1 is that of two normal images taken at random, as a root mean square.
        jpeg: its thumbnail, the content of a JPEG file.
    """

    name: str
    distance: float
    jpeg: bytes = field(repr=False)

    @property
    def thumbnail(self) -> NDArray[np.uint8]:
        """The decoded thumbnail, `(h, w, 3)`."""
        with PIL.Image.open(io.BytesIO(self.jpeg)) as picture:
            return np.array(picture.convert("RGB"))


@dataclass(frozen=True)
class NormalImages:
    """Thumbnails and codes of N normal images.

    Attributes:
        names: of the images.
        thumbnails: JPEG files.
        codes: `(N, D)` float16, standardised: every dimension has mean 0 and deviation 1 over the images.
        mean: `(D,)` float32, that was taken off.
        deviation: `(D,)` float32, that was divided by.
    """

    names: tuple[str, ...]
    thumbnails: tuple[bytes, ...] = field(repr=False)
    codes: NDArray[np.float16] = field(repr=False)
    mean: NDArray[np.float32] = field(repr=False)
    deviation: NDArray[np.float32] = field(repr=False)

    def nearest(self, code: NDArray[np.float32], count: int) -> tuple[Neighbour, ...]:
        """The images whose codes are nearest to `code` `(D,)`, the nearest first."""
        standardised = (code - self.mean) / self.deviation
        squares = np.square(self.codes.astype(np.float32) - standardised).mean(axis=1)
        # The mean square of the difference of two draws is twice the variance.
        distances = np.sqrt(squares / 2.0)
        return tuple(
            Neighbour(self.names[index], float(distances[index]), self.thumbnails[index])
            for index in np.argsort(distances, kind="stable")[:count].tolist()
        )

    @property
    def feature_means(self) -> NDArray[np.float32]:
        """The means of the features of every image, `(N, C)`."""
        return feature_means_of(self.codes.astype(np.float32) * self.deviation + self.mean)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All of it as arrays by name, for a model file."""
        return {
            "thumbnails": np.frombuffer(b"".join(self.thumbnails), np.uint8).copy(),
            "ends": np.cumsum([len(thumbnail) for thumbnail in self.thumbnails], dtype=np.int64),
            "codes": self.codes,
            "mean": self.mean,
            "deviation": self.deviation,
            "names": np.frombuffer(json.dumps(list(self.names)).encode(), np.uint8).copy(),
        }

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> NormalImages:
        """The inverse of `arrays`."""
        joined, ends = arrays["thumbnails"].tobytes(), arrays["ends"].tolist()
        return cls(
            names=tuple(json.loads(arrays["names"].tobytes())),
            thumbnails=tuple(joined[start:end] for start, end in zip([0, *ends], ends, strict=False)),
            codes=arrays["codes"],
            mean=arrays["mean"],
            deviation=arrays["deviation"],
        )

    def n_bytes(self) -> int:
        """What it takes in a model file, but for a few hundred bytes of the file's header."""
        return sum(array.nbytes for array in self.arrays().values())


def keep_images(
    images: Sequence[NDArray[np.uint8]], codes: NDArray[np.float32], names: Sequence[str], *, max_bytes: int
) -> NormalImages | None:
    """Keeps as many normal images as there is room for, evenly from all of them.

    Args:
        images: N of them, `(H, W, 3)` each.
        codes: theirs, `(N, D)`.
        names: theirs.
        max_bytes: of all that is kept.

    Returns:
        None where not even one fits.
    """
    count = min(len(images), max(1, max_bytes // (_LEAST_BYTES + 2 * codes.shape[1])))
    encoded: dict[int, bytes] = {}
    while count > 0:
        rows = (np.arange(count) * len(images) // count).tolist()
        for row in rows:
            if row not in encoded:
                encoded[row] = _encoded(images[row])
        kept = _kept([encoded[row] for row in rows], codes[rows], [names[row] for row in rows])
        size = kept.n_bytes()
        if size <= max_bytes:
            return kept
        count = min(count - 1, count * max_bytes // size)
    return None


def _kept(thumbnails: list[bytes], codes: NDArray[np.float32], names: list[str]) -> NormalImages:
    mean = codes.mean(axis=0, dtype=np.float64)
    deviation = codes.std(axis=0, dtype=np.float64)
    # A feature that never varies among normal images tells their looks apart no better after a division by nothing.
    deviation = np.maximum(deviation, 1e-3 * max(float(deviation.max(initial=0.0)), 1e-6))
    standardised = np.clip((codes - mean) / deviation, -_LARGEST, _LARGEST)
    return NormalImages(
        tuple(names),
        tuple(thumbnails),
        standardised.astype(np.float16),
        mean.astype(np.float32),
        deviation.astype(np.float32),
    )


def _encoded(image: NDArray[np.uint8]) -> bytes:
    picture = PIL.Image.fromarray(image)
    if (image[..., 0] == image[..., 1]).all() and (image[..., 0] == image[..., 2]).all():
        picture = picture.convert("L")
    picture.thumbnail((THUMBNAIL, THUMBNAIL), PIL.Image.Resampling.BOX)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()
