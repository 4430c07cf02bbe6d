"""Pictures in rows and columns as one figure, with the scales of the colours below it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from utad.interpret.contours import outlines
from utad.interpret.figures import OUTLINE, coloured, strength
from utad.types import FloatMap, Mask

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEVELS = (0.0, 0.25, 0.5, 1.0, 2.0)
"""Values marked on the scale of maps; 0.5 is the threshold."""

LARGEST_DIFFERENCE = 0.5
"""Difference of two images, of full scale, that is white; larger ones are too."""

_SIDE, _CAPTION, _NAME, _HEAD, _FOOT = 1.3, 0.2, 0.32, 0.42, 0.62
"""Inches: of a picture's longer side, the line below it, the name at the left, the titles, and the scales."""

_GAP = 0.06
_GREEN = tuple(channel / 255 for channel in OUTLINE)


@dataclass(frozen=True)
class Panel:
    """One picture.

    Attributes:
        pixels: `(h, w, 3)` uint8.
        caption: a line below it.
        mask: `(h, w)`, outlined in green: what a method calls anomalous.
        truth: `(h, w)`, outlined in white dashes on black: the ground truth.
    """

    pixels: NDArray[np.uint8] = field(repr=False)
    caption: str = ""
    mask: Mask | None = field(default=None, repr=False)
    truth: Mask | None = field(default=None, repr=False)


@dataclass(frozen=True)
class TableRow:
    """A row of pictures; None leaves a place empty."""

    name: str
    panels: Sequence[Panel | None]


def map_panel(
    anomaly_map: FloatMap, *, caption: str = "", mask: Mask | None = None, inside: Mask | None = None
) -> Panel:
    """A normalised map `(h, w)` on the one scale of maps, in which the threshold has the middle colour."""
    return Panel(coloured(strength(anomaly_map, inside)), caption, mask)


def difference_panel(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> Panel:
    """How far two images `(h, w, 3)` uint8 differ, as a mean over channels: black 0, white `LARGEST_DIFFERENCE`."""
    difference = np.abs(first.astype(np.float32) - second.astype(np.float32)).mean(axis=2) / 255.0
    grey = np.round(255.0 * np.minimum(difference / LARGEST_DIFFERENCE, 1.0)).astype(np.uint8)
    return Panel(np.repeat(grey[..., None], 3, axis=2))


def mask_panel(mask: Mask | None, like: NDArray[np.uint8]) -> Panel:
    """A mask in black and white; grey, as large as `like`, where there is none."""
    if mask is None:
        return Panel(np.full_like(like, 128), "not known")
    return Panel(np.repeat(np.where(mask, 255, 0).astype(np.uint8)[..., None], 3, axis=2))


def picture_table(columns: Sequence[str], rows: Sequence[TableRow], *, maps: bool, differences: bool) -> Figure:
    """The table.

    Args:
        columns: their titles, of up to two lines.
        rows: each with a panel for every column.
        maps: show the scale of maps.
        differences: show that of differences.
    """
    from matplotlib.figure import Figure

    heights = [_SIDE * min(2.0, _ratio(row)) for row in rows]
    captions = any(panel.caption for row in rows for panel in row.panels if panel is not None)
    below = (_CAPTION if captions else 0.0) + _GAP
    foot = _FOOT if maps or differences else 0.1
    width = _NAME + len(columns) * (_SIDE + _GAP) + 0.05
    height = _HEAD + sum(heights) + len(rows) * below + foot
    figure = Figure(figsize=(width, height), dpi=150)
    top = height - _HEAD
    for position, (row, own) in enumerate(zip(rows, heights, strict=True)):
        for column, panel in enumerate(row.panels):
            left = _NAME + column * (_SIDE + _GAP)
            axis = figure.add_axes((left / width, (top - own) / height, _SIDE / width, own / height))
            _draw(axis, panel)
            if position == 0:
                axis.set_title(columns[column], fontsize=8, pad=4)
            if column == 0:
                axis.set_ylabel(shortened(row.name, 22), fontsize=8, parse_math=False)
        top -= own + below
    if maps:
        _map_scale(figure.add_axes((_NAME / width, 0.34 / height, 2.9 / width, 0.12 / height)))
    if differences:
        start = _NAME + (4.3 if maps else 0.0)
        _difference_scale(figure.add_axes((start / width, 0.34 / height, 1.3 / width, 0.12 / height)))
    return figure


def shortened(name: str, longest: int) -> str:
    """A name as text of at most so many characters; what is left out is its beginning."""
    text = name.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= longest else f"...{text[3 - longest :]}"


def _ratio(row: TableRow) -> float:
    shapes = [panel.pixels.shape for panel in row.panels if panel is not None]
    return max((shape[0] / shape[1] for shape in shapes), default=1.0)


def _draw(axis: Axes, panel: Panel | None) -> None:
    axis.set_xticks([])
    axis.set_yticks([])
    if panel is None:
        for spine in axis.spines.values():
            spine.set_visible(False)
        return
    axis.imshow(panel.pixels, interpolation="antialiased")
    for line in outlines(panel.truth) if panel.truth is not None else ():
        axis.plot(line[:, 0], line[:, 1], color="black", linewidth=1.8)
        axis.plot(line[:, 0], line[:, 1], color="white", linewidth=1.0, linestyle=(0, (3, 2)))
    for line in outlines(panel.mask) if panel.mask is not None else ():
        axis.plot(line[:, 0], line[:, 1], color=_GREEN, linewidth=1.0)
    if panel.caption:
        axis.set_xlabel(panel.caption, fontsize=7, labelpad=2)


def _map_scale(axis: Axes) -> None:
    ramp = coloured(np.linspace(0.0, 1.0, 256, dtype=np.float32)[None])
    axis.imshow(ramp, aspect="auto", extent=(0.0, 1.0, 0.0, 1.0))
    marks = [float(mark) for mark in strength(np.asarray(LEVELS, np.float32))]
    axis.set_xticks(marks, [f"{value:g}" for value in LEVELS], fontsize=7)
    axis.set_yticks([])
    axis.set_xlabel(
        "anomaly maps: 0.5, the middle colour, is the limit of normal pixels", fontsize=7, labelpad=1, loc="left"
    )
    axis.axvline(marks[LEVELS.index(0.5)], color="white", linewidth=1.2)


def _difference_scale(axis: Axes) -> None:
    ramp = np.linspace(0, 255, 256).astype(np.uint8)[None, :, None].repeat(3, axis=2)
    axis.imshow(ramp, aspect="auto", extent=(0.0, LARGEST_DIFFERENCE, 0.0, 1.0))
    axis.set_xticks([0.0, LARGEST_DIFFERENCE], ["0", f"{LARGEST_DIFFERENCE:g} and more"], fontsize=7)
    axis.set_yticks([])
    axis.set_xlabel("differences, of full scale", fontsize=7, labelpad=1, loc="left")
