"""How a model brings images to its networks, and what of them counts. Without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from utad.data.alignment import Alignment
from utad.data.letterbox import Letterbox
from utad.data.region_of_interest import RegionOfInterest
from utad.data.tiling import Tiling


@dataclass(frozen=True, eq=False)
class Geometry:
    """What is done to an image before the networks see it; it belongs to the model.

    Attributes:
        region: of interest in the image; None where all of it counts.
        letterbox: how the image is framed; None where it is squeezed into a square.
        tiling: how it is cut into tiles; None where it is not.
        alignment: what it is registered to first; None where it stays as it lies.
    """

    region: RegionOfInterest | None = None
    letterbox: Letterbox | None = None
    tiling: Tiling | None = None
    alignment: Alignment | None = None

    @property
    def network_region(self) -> RegionOfInterest | None:
        """What counts of an image as the networks see it, in its frame if it has one; None for all of it, or tiles."""
        if self.tiling is not None:
            return None
        return self.region if self.letterbox is None else self.letterbox.region

    @property
    def needs_slope(self) -> bool:
        """Whether scores are moved from tiles, or for what cannot be aligned, to the image."""
        return self.tiling is not None or self.alignment is not None

    def as_dict(self) -> dict[str, Any]:
        """Plain values of what is there, for a manifest."""
        return {name: value.as_dict() for name, value in vars(self).items() if value is not None}

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `as_dict`; further values have no part in it."""
        return cls(
            RegionOfInterest.of(values.get("region")),
            Letterbox.of(values.get("letterbox")),
            Tiling.of(values.get("tiling")),
            Alignment.of(values.get("alignment")),
        )


class HasGeometry:
    """Tells the parts of its geometry by name.

    Attributes:
        geometry: what is done to images, and what counts of them.
    """

    geometry = Geometry()

    @property
    def region(self) -> RegionOfInterest | None:
        """What counts of an image; None for all of it."""
        return self.geometry.region

    @property
    def letterbox(self) -> Letterbox | None:
        """How the engine frames images; None where it squeezes them into squares."""
        return self.geometry.letterbox

    @property
    def alignment(self) -> Alignment | None:
        """What the engine registers images to; None where it takes them as they lie."""
        return self.geometry.alignment

    @property
    def tiling(self) -> Tiling | None:
        """How the engine cuts images into tiles; None where it takes them as they are."""
        return self.geometry.tiling
