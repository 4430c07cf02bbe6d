"""Images that are not square, padded instead of squeezed: what the networks see keeps its aspect. Without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from utad.data.region_of_interest import RegionOfInterest
from utad.types import Image, Mask

_Value = TypeVar("_Value", bound=np.generic)


@dataclass(frozen=True, eq=False)
class Letterbox:
    """A frame that makes images of one aspect square, the image in its middle.

    An image of another aspect gets the same parts of padding and becomes no square: what resizes it squeezes it, as it
    does any image without a frame.

    Attributes:
        aspect: width over height of the training images.
        region: what counts of a framed image: the image, or its region of interest.
    """

    aspect: float
    region: RegionOfInterest = field(repr=False)

    def framed(self, image: Image) -> Image:
        """An image `(H, W, 3)` in its frame, whose colour is the region's affair."""
        before, after = _padding((image.shape[0], image.shape[1]), self.aspect)
        padded: NDArray[Any] = np.pad(image, [*zip(before, after, strict=True), (0, 0)])
        return padded

    def unframed(self, values: NDArray[_Value], size: tuple[int, int]) -> NDArray[_Value]:
        """What lies in the frame of an image of the size `(H, W)`: of values `(H', W', ...)` those of the image."""
        (top, left), _ = _padding(size, self.aspect)
        return values[top : top + size[0], left : left + size[1]]

    def size_at(self, side: int) -> tuple[int, int]:
        """Height and width of an image in a frame of that side."""
        return round(side / max(1.0, self.aspect)), round(side * min(1.0, self.aspect))

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for a manifest."""
        return {"aspect": self.aspect, "region": self.region.as_dict()}

    @classmethod
    def of(cls, values: Mapping[str, Any] | None) -> Letterbox | None:
        """The inverse of `as_dict`; None where there is nothing."""
        if values is None:
            return None
        region = RegionOfInterest.of(values["region"])
        assert region is not None
        return cls(float(values["aspect"]), region)


def framed_mask(mask: Mask, aspect: float) -> Mask:
    """A mask `(h, w)` over images in the frame that images of that aspect get: false in the padding."""
    before, after = _padding((mask.shape[0], mask.shape[1]), aspect)
    return np.pad(mask, [*zip(before, after, strict=True)])


def _padding(size: tuple[int, int], aspect: float) -> tuple[tuple[int, int], tuple[int, int]]:
    """Rows and columns before an image of the size `(H, W)`, and those behind it."""
    height, width = size
    rows, columns = round(height * max(1.0, aspect)) - height, round(width / min(1.0, aspect)) - width
    return (rows // 2, columns // 2), (rows - rows // 2, columns - columns // 2)
