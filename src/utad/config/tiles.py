"""The tiles that large images are cut into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from utad.config.section import Positive, Section

LEAST_SIDE = 16
MOST_SIDE = 4096

EXPECTED = (
    "a side in pixels of the images (256), a side and an overlap ([256, 64]), auto, or a mapping of side, overlap, "
    "training, threshold and places"
)


class TileConfig(Section):
    """Tiles of `side` pixels of the input, each resized to `image.size` (docs/adr/0021).

    `side: auto` is the largest at which a defect of `image.smallest_defect` pixels is still seen. Neighbours share at
    least `overlap` pixels; where it is not given a quarter of the side, and with `auto` an eighth or two of the
    smallest defects, whichever is more; with 0 there are seams. At most `training` tiles are learnt from, evenly from
    all images and places. The threshold is set on whole images, of at most `threshold` tiles together, but on no fewer
    than 20 images. Where all images have the same grid of at most 64 tiles, and there are 16 to learn from for each of
    its places, `places` gives these statistics of their own: means shrunk towards those of all tiles.
    """

    side: int | Literal["auto"]
    overlap: Annotated[int, Field(ge=0)] | None = None
    training: Annotated[int, Field(ge=4)] = 2000
    threshold: Positive = 6000
    places: bool = True

    @model_validator(mode="before")
    @classmethod
    def _from_short_form(cls, value: Any) -> Any:
        if isinstance(value, Mapping | cls):
            return value
        if isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 2:
            return {"side": value[0], "overlap": value[1]}
        if value == "auto" or (isinstance(value, int) and not isinstance(value, bool)):
            return {"side": value}
        raise ValueError(f"image.tile: got {value!r}, expected {EXPECTED}")

    @model_validator(mode="after")
    def _in_range(self) -> Self:
        if self.side != "auto" and not LEAST_SIDE <= self.side <= MOST_SIDE:
            raise ValueError(
                f"image.tile: got a side of {self.side} pixels, expected {LEAST_SIDE} to {MOST_SIDE}, or auto"
            )
        if self.side != "auto" and self.overlap is not None and self.overlap > self.side // 2:
            raise ValueError(
                f"image.tile: got an overlap of {self.overlap} pixels, expected at most half of the side of {self.side}"
            )
        return self
