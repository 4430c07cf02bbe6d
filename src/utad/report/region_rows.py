"""The regions of a mask, each with what the image shows there and what it should look like."""

from __future__ import annotations

from dataclasses import dataclass

from utad.interpret.explanation import Explanation
from utad.interpret.figures import to_8_bit
from utad.report.data_uris import picture_uri
from utad.types import Region

SHOWN = 12
"""Regions in the table; the highest peaks come first."""

CROP = 160
"""Longer side of a crop in the page, in pixels."""

_MARGIN, _LEAST_MARGIN = 0.3, 6


@dataclass(frozen=True)
class RegionRow:
    """One row of the table.

    Attributes:
        number: from 1.
        region: of the mask.
        image: data URI of the image there, with a margin.
        impression: of the impression at the same place.
    """

    number: int
    region: Region
    image: str
    impression: str


def region_rows(explanation: Explanation) -> list[RegionRow]:
    """The rows of the regions with the highest peaks."""
    image, prediction = to_8_bit(explanation.image), explanation.prediction
    rows = []
    for number, region in enumerate(prediction.regions[:SHOWN], start=1):
        rows_there, columns_there = crop_of(region, (image.shape[0], image.shape[1]))
        rows.append(
            RegionRow(
                number,
                region,
                picture_uri(image[rows_there, columns_there], CROP),
                picture_uri(prediction.impression[rows_there, columns_there], CROP),
            )
        )
    return rows


def crop_of(region: Region, size: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns around a region, with a margin, within an image of the size `(H, W)`."""
    left, top, right, bottom = region.box
    margin = max(_LEAST_MARGIN, round(_MARGIN * max(right - left, bottom - top)))
    height, width = size
    rows = slice(max(0, top - margin), min(height, bottom + margin))
    return rows, slice(max(0, left - margin), min(width, right + margin))
