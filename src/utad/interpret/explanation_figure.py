"""An explanation as one figure, for a document or a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from utad.interpret.component_maps import coloured, component_maps
from utad.interpret.contours import outlines
from utad.interpret.explanation import Explanation
from utad.interpret.figures import OUTLINE, heat_overlay, to_8_bit
from utad.interpret.score_scale import score_scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 5
"""Pictures in a row; components and neighbours beyond that many are left to the page."""

LONGEST = 512
"""Pixels of a picture's longer side; larger ones are drawn from every second, third, ... pixel."""

_GREEN = tuple(channel / 255 for channel in OUTLINE)
_ABOVE = "#b5179e"
_NORMAL = "#6c8ebf"


def explanation_figure(explanation: Explanation) -> Figure:
    """Three rows: the image and its restored forms; the components; the score among normal ones, and neighbours."""
    from matplotlib.figure import Figure

    prediction = explanation.prediction
    figure = Figure(figsize=(11.0, 7.6), dpi=110)
    grid = figure.add_gridspec(3, COLUMNS, left=0.02, right=0.98, top=0.88, bottom=0.09, hspace=0.34, wspace=0.08)
    figure.suptitle(title_of(explanation), x=0.02, ha="left", fontsize=12, parse_math=False)
    _pictures(explanation, [figure.add_subplot(grid[0, column]) for column in range(COLUMNS)])
    maps = component_maps(prediction)[:COLUMNS]
    for column, component in enumerate(maps):
        axis = figure.add_subplot(grid[1, column])
        _show(axis, coloured(component.level), f"{component.name}: {component.share:+.3f}")
    rest = prediction.pred_score - sum(component.share for component in maps)
    more = f", and {rest:+.3f} from others" if len(prediction.shares) > COLUMNS else ""
    figure.text(0.02, 0.605, f"Components, and what each has of the score{more}", fontsize=9)
    # The chart keeps clear of the labels beside it.
    _chart(explanation, figure.add_axes((0.04, 0.09, 0.34, 0.18)))
    shown = explanation.neighbours[: COLUMNS - 2]
    for column, neighbour in enumerate(shown, start=2):
        _show(figure.add_subplot(grid[2, column]), neighbour.thumbnail, f"distance {neighbour.distance:.2f}")
    if shown:
        figure.text(0.41, 0.325, "Normal images that look most like it", fontsize=9)
    return figure


def title_of(explanation: Explanation) -> str:
    """Name, score and verdict on one line."""
    prediction = explanation.prediction
    name = explanation.name.encode("utf-8", "backslashreplace").decode()
    name = name if len(name) <= 60 else f"...{name[-57:]}"
    verdict = f"{'anomalous' if prediction.pred_label else 'normal'} ({prediction.band})"
    return f"{name}   score {prediction.pred_score:.3f}, threshold {prediction.threshold:.3f}: {verdict}"


def _pictures(explanation: Explanation, axes: Sequence[Axes]) -> None:
    prediction, image = explanation.prediction, to_8_bit(explanation.image)
    overlay = heat_overlay(image, prediction.anomaly_map)
    pictures = (image, overlay, prediction.impression, prediction.naive_impression, prediction.reconstruction)
    titles = ("image x", "anomaly map, mask", "impression m", "naive impression m̂", "reconstruction x̂")
    for axis, picture, title in zip(axes, pictures, titles, strict=True):
        _show(axis, picture, title)
    for line in outlines(prediction.pred_mask):
        axes[1].plot(line[:, 0], line[:, 1], color=_GREEN, linewidth=1.2)


def _show(axis: Axes, picture: Any, title: str) -> None:
    height, width = picture.shape[:2]
    step = max(1, max(height, width) // LONGEST)
    # In pixels of the whole picture, so that what is drawn over it lies where it belongs.
    axis.imshow(
        np.asarray(picture)[::step, ::step], interpolation="nearest", extent=(-0.5, width - 0.5, height - 0.5, -0.5)
    )
    axis.set_title(title, fontsize=9, pad=4)
    axis.set_xticks([])
    axis.set_yticks([])


def _chart(explanation: Explanation, axis: Axes) -> None:
    scale = score_scale(explanation)
    prediction = explanation.prediction
    if scale.counts:
        widths = np.diff(scale.edges)
        axis.bar(scale.edges[:-1], scale.counts, widths, align="edge", color=_NORMAL, label="normal images")
    axis.axvspan(
        prediction.threshold, prediction.fail_threshold, color="#e0a800", alpha=0.25, linewidth=0, label="review"
    )
    axis.axvline(prediction.threshold, color="black", linestyle="--", linewidth=1.2, label="threshold")
    axis.axvline(
        min(prediction.pred_score, scale.high), color=_ABOVE, linewidth=2.2, label=f"score {prediction.pred_score:.3f}"
    )
    if prediction.pred_score > scale.high:
        axis.annotate(
            "beyond the scale →", (scale.high, 0.5), xycoords=("data", "axes fraction"), ha="right", fontsize=8
        )
    axis.set_xlim(scale.low, scale.high + 0.01 * (scale.high - scale.low))
    axis.set_yticks([])
    axis.tick_params(labelsize=8)
    axis.set_xlabel("normalised score", fontsize=8, labelpad=1)
    for side in ("top", "left", "right"):
        axis.spines[side].set_visible(False)
    axis.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, 1.32), ncols=4, frameon=False, handlelength=1.4)
