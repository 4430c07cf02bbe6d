"""An explanation as one figure, for a document or a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from utad.interpret.component_maps import component_maps
from utad.interpret.contours import outlines
from utad.interpret.explanation import Explanation
from utad.interpret.figures import OUTLINE, REGION, coloured, heat_overlay, thinned, to_8_bit
from utad.interpret.score_scale import score_scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 5
"""Pictures in a row; components and neighbours beyond that many are left to the page."""

LONGEST = 512
"""Pixels of a picture's longer side; larger ones are drawn from every second, third, ... pixel."""

Extent = tuple[float, float, float, float]
"""Left, right, bottom and top of a picture."""

_GREEN = tuple(channel / 255 for channel in OUTLINE)
_WHITE = tuple(channel / 255 for channel in REGION)
_ABOVE = "#b5179e"
_NORMAL = "#6c8ebf"


def explanation_figure(explanation: Explanation) -> Figure:
    """Three rows: the image and its restored forms; the components; the score among normal ones, and neighbours."""
    from matplotlib.figure import Figure

    prediction = explanation.prediction
    figure = Figure(figsize=(11.0, 7.8), dpi=110)
    grid = figure.add_gridspec(3, COLUMNS, left=0.02, right=0.98, top=0.89, bottom=0.04, hspace=0.42, wspace=0.06)
    figure.text(0.02, 0.965, title_of(explanation), fontsize=12, fontweight="bold", parse_math=False)
    pictures = [figure.add_subplot(grid[0, column]) for column in range(COLUMNS)]
    _pictures(explanation, pictures)
    maps = component_maps(prediction, LONGEST)[:COLUMNS]
    below = [figure.add_subplot(grid[1, column]) for column in range(len(maps))]
    for axis, component in zip(below, maps, strict=True):
        _show(axis, coloured(component.level), f"{component.name}: {_share(component.share)}")
    rest = prediction.pred_score - sum(component.share or 0.0 for component in maps)
    more = f", and {rest:+.3f} from others" if len(prediction.shares) > COLUMNS else ""
    _heading(below[0], f"Components, and what each has of the score{more}")
    _chart(explanation, figure.add_axes((0.03, 0.075, 0.345, 0.185)))
    shown = explanation.neighbours[: COLUMNS - 2]
    last = [figure.add_subplot(grid[2, column]) for column in range(2, 2 + len(shown))]
    for axis, neighbour in zip(last, shown, strict=True):
        _show(axis, neighbour.thumbnail, f"distance {neighbour.distance:.2f}")
    if last:
        _heading(last[0], "Normal images that look most like it")
    return figure


def title_of(explanation: Explanation) -> str:
    """Name, score and verdict on one line."""
    prediction = explanation.prediction
    name = explanation.name.encode("utf-8", "backslashreplace").decode()
    name = name if len(name) <= 60 else f"...{name[-57:]}"
    verdict = f"{'anomalous' if prediction.pred_label else 'normal'} ({prediction.band})"
    return f"{name}   score {prediction.pred_score:.3f}, threshold {prediction.threshold:.3f}: {verdict}"


def _share(share: float | None) -> str:
    return "map only" if share is None else f"{share:+.3f}"


def _pictures(explanation: Explanation, axes: Sequence[Axes]) -> None:
    prediction, image = explanation.prediction, to_8_bit(explanation.image)
    inside = thinned(prediction.inside, LONGEST) if prediction.inside is not None else None
    overlay = heat_overlay(thinned(image, LONGEST), thinned(prediction.anomaly_map, LONGEST), inside=inside)
    pictures = (image, overlay, prediction.impression, prediction.naive_impression, prediction.reconstruction)
    titles = ("image x", "anomaly map, mask", "impression m", "naive impression m̂", "reconstruction x̂")
    height, width = image.shape[:2]
    for axis, picture, title in zip(axes, pictures, titles, strict=True):
        # In pixels of the whole picture, so that the outlines lie where they belong.
        _show(axis, picture, title, extent=(-0.5, width - 0.5, height - 0.5, -0.5))
    for line in outlines(prediction.inside) if prediction.inside is not None else ():
        axes[1].plot(line[:, 0], line[:, 1], color=_WHITE, linewidth=1.0, linestyle="--")
    for line in outlines(prediction.pred_mask):
        axes[1].plot(line[:, 0], line[:, 1], color=_GREEN, linewidth=1.2)


def _heading(first: Axes, words: str) -> None:
    """Above the titles of a row of pictures, of which the first is given."""
    first.annotate(words, (0.0, 1.0), (0.0, 22.0), xycoords="axes fraction", textcoords="offset points", fontsize=10)


def _show(axis: Axes, picture: NDArray[np.uint8], title: str, *, extent: Extent | None = None) -> None:
    axis.imshow(thinned(picture, LONGEST), interpolation="nearest", extent=extent)
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
    beyond = ", beyond this scale" if prediction.pred_score > scale.high else ""
    score = min(prediction.pred_score, scale.high)
    axis.axvline(score, color=_ABOVE, linewidth=2.5, label=f"score {prediction.pred_score:.3f}{beyond}")
    axis.set_xlim(scale.low, scale.high + 0.01 * (scale.high - scale.low))
    axis.set_yticks([])
    axis.tick_params(labelsize=8)
    axis.set_xlabel("normalised score", fontsize=8, labelpad=1)
    for side in ("top", "left", "right"):
        axis.spines[side].set_visible(False)
    axis.legend(fontsize=8, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, frameon=False, handlelength=1.4)
