"""The region of interest of a model: which pixels of an image count, at any size. Without torch."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from utad.data.conversion import without_empty_bits
from utad.types import FloatMap, Image, Mask

_Value = TypeVar("_Value", bound=np.generic)


@dataclass(frozen=True, eq=False)
class RegionOfInterest:
    """Which part of an image counts; it is laid over every image, whatever its size.

    Attributes:
        mask: `(h, w)` bool, true inside, at least once.
        fill: red, green and blue in [0, 255], which stand in place of what lies outside.
    """

    mask: Mask = field(repr=False)
    fill: tuple[int, int, int]

    def inside(self, size: tuple[int, int]) -> Mask:
        """The region at the size `(H, W)`: bool, for each pixel that of the mask at its centre.

        All false where none of so few pixels has its centre inside.
        """
        return nearest(self.mask, size)

    def filled(self, image: Image) -> Image:
        """An image `(H, W, 3)`, uint8 or uint16, with `fill` outside; it is not changed.

        One of 16 bits that has but 8 inside comes back with 8: these are resized otherwise.
        """
        inside = self.inside((image.shape[0], image.shape[1]))[..., None]
        scale = 1 if image.dtype == np.uint8 else 257
        return without_empty_bits(np.where(inside, image, (np.array(self.fill) * scale).astype(image.dtype)))

    def blackened(self, image: NDArray[_Value]) -> NDArray[_Value]:
        """An image `(H, W, 3)` of any type with zeros outside; it is not changed."""
        inside = self.inside((image.shape[0], image.shape[1]))[..., None]
        return np.where(inside, image, np.zeros((), image.dtype))

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for a manifest; the mask as a PNG of 1 bit in base64."""
        buffer = io.BytesIO()
        PIL.Image.fromarray(self.mask).save(buffer, format="PNG")
        size = [int(length) for length in self.mask.shape]
        return {"size": size, "fill": list(self.fill), "png": base64.b64encode(buffer.getvalue()).decode()}

    @classmethod
    def of(cls, values: Mapping[str, Any] | None) -> RegionOfInterest | None:
        """The inverse of `as_dict`; None where there is nothing."""
        if values is None:
            return None
        with PIL.Image.open(io.BytesIO(base64.b64decode(values["png"]))) as picture:
            mask = np.array(picture.convert("1"), dtype=np.bool_)
        red, green, blue = (int(level) for level in values["fill"])
        return cls(mask, (red, green, blue))


def nearest(mask: Mask, size: tuple[int, int]) -> Mask:
    """A mask `(h, w)` at the size `(H, W)`: each pixel has the value that its centre lies on."""
    # In whole numbers, so that an exported graph comes to the same.
    rows, columns = (
        (2 * np.arange(length, dtype=np.int64) + 1) * own // (2 * length)
        for length, own in zip(size, mask.shape, strict=True)
    )
    found: Mask = mask[rows[:, None], columns]
    return found


def lowest_outside(values: FloatMap, inside: Mask | None) -> FloatMap:
    """A map `(H, W)` that has its lowest value inside everywhere outside; as it is where all of it counts."""
    if inside is None:
        return values
    lowest = np.where(inside, values, values.max()).min()
    return np.where(inside, values, lowest)
