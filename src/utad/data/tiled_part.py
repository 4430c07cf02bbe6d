"""What of an image is cut into tiles: all of it, or the box around its region of interest. Without torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from utad.data.conversion import without_empty_bits
from utad.data.region_of_interest import RegionOfInterest, lowest_outside
from utad.types import FloatMap, Image, Mask


@dataclass(frozen=True, eq=False)
class TiledPart:
    """The part of images of one size that tiles are cut from.

    Attributes:
        size: `(H, W)` of the images.
        origin: row and column of its first pixel.
        shape: `(h, w)` of the part.
        region: of interest in the images; None where all of them counts.
        inside: `(H, W)`, which pixels of the image count; None likewise.
    """

    size: tuple[int, int]
    origin: tuple[int, int]
    shape: tuple[int, int]
    region: RegionOfInterest | None = field(default=None, repr=False)
    inside: Mask | None = field(default=None, repr=False)

    def counts(self, top: int, left: int, side: int) -> bool:
        """Whether a tile with its first pixel there, in the part, has any that counts."""
        return self._inside is None or bool(self._inside[top : top + side, left : left + side].any())

    def taken_from(self, image: Image) -> Image:
        """The part of an image `(H, W, 3)`, uint8 or uint16; what does not count is the mirror image of what does.

        Nothing in it depends on what does not count. Without a region it is the image itself.
        """
        if self._inside is None:
            return image
        part = self._cropped(image)
        outside, sources = self._mirrored
        pixels = part.reshape(-1, 3).copy()
        pixels[outside] = pixels[sources]
        return without_empty_bits(pixels.reshape(part.shape))

    def map_of(self, values: FloatMap) -> FloatMap:
        """A map `(h, w)` of the part to one `(H, W)` of the image: its lowest value inside where nothing counts."""
        if self.inside is None:
            return values
        whole = np.full(self.size, values.max(), np.float32)
        self._cropped(whole)[:] = values
        return lowest_outside(whole, self.inside)

    def picture_of(self, values: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A picture `(h, w, 3)` of the part to one `(H, W, 3)` of the image, in one colour where nothing counts."""
        if self.region is None or self.inside is None:
            return values
        whole = np.empty((*self.size, 3), np.uint8)
        whole[:] = self.region.fill
        part = self._cropped(whole)
        part[self._inside] = values[self._inside]
        return whole

    def _cropped(self, image: NDArray[Any]) -> NDArray[Any]:
        (top, left), (height, width) = self.origin, self.shape
        return image[top : top + height, left : left + width]

    @cached_property
    def _inside(self) -> Mask | None:
        return None if self.inside is None else self._cropped(self.inside)

    @cached_property
    def _mirrored(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Where in the part, row by row, a pixel does not count, and which one it is the mirror image of."""
        from scipy.ndimage import distance_transform_edt

        assert self._inside is not None
        outside = np.argwhere(~self._inside).astype(np.int32)  # (P, 2)
        border = distance_transform_edt(~self._inside, return_distances=False, return_indices=True)
        border = border[:, outside[:, 0], outside[:, 1]].T  # (P, 2), the nearest pixel that counts
        mirrored = 2 * border - outside
        there = ((mirrored >= 0) & (mirrored < self.shape)).all(axis=1)
        there[there] = self._inside[mirrored[there, 0], mirrored[there, 1]]
        sources = np.where(there[:, None], mirrored, border)
        rows = np.int32(self.shape[1])
        return outside[:, 0] * rows + outside[:, 1], (sources[:, 0] * rows + sources[:, 1]).astype(np.int32)


def tiled_part(size: tuple[int, int], region: RegionOfInterest | None) -> TiledPart:
    """The part of images of the size `(H, W)`: all where there is no region, or none of its pixels in so small ones."""
    return TiledPart(size, (0, 0), size) if region is None else _around(size, region)


@lru_cache(maxsize=2)  # Of a large image it holds as much as the image itself.
def _around(size: tuple[int, int], region: RegionOfInterest) -> TiledPart:
    inside = region.inside(size)
    if not inside.any():
        return TiledPart(size, (0, 0), size)
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    top, left = int(rows[0]), int(columns[0])
    return TiledPart(size, (top, left), (int(rows[-1]) + 1 - top, int(columns[-1]) + 1 - left), region, inside)
