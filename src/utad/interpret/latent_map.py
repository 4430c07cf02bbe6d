"""The latent map, Fig. 8: images as points, close to each other where the model sees them alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from utad.errors import DataError
from utad.interpret.marks import NORMAL, marks_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEAST = 5
"""Images below which there is no map."""

PERPLEXITY = 30.0
"""Of t-SNE; with few images a third of their number."""

NEIGHBOURS = 5
"""Nearest images whose labels are counted."""

CODES: Mapping[str, str] = MappingProxyType(
    {
        "mu": "mu of IE-Net",
        "features": "pooled features of the backbone",
    }
)
"""What the images are placed by, and its name."""


@dataclass(frozen=True)
class CodedImage:
    """An image with what the model sees in it.

    Attributes:
        name: of its sample.
        kind: of defect, or `normal`.
        score: normalised.
        codes: by name of `CODES`, `(D,)` float32; `features` lacks where the model compares none.
    """

    name: str
    kind: str
    score: float
    codes: Mapping[str, NDArray[np.float32]] = field(repr=False)


@dataclass(frozen=True)
class Agreement:
    """How far a code tells normal from anomalous images.

    Attributes:
        share: of the nearest images of an anomalous one, those that are anomalous too; the mean over anomalous images.
        chance: what images taken at random would give.
    """

    share: float
    chance: float

    def __str__(self) -> str:
        return (
            f"{100 * self.share:.0f} % of the {NEIGHBOURS} images nearest to an anomalous one are anomalous too, "
            f"{100 * self.chance:.0f} % by chance"
        )


@dataclass(frozen=True)
class LatentMap:
    """Images in the plane.

    Attributes:
        images: N of them.
        positions: by name of `CODES`, `(N, 2)` in [0, 1]; only neighbourhoods mean something.
        agreements: by the same names; none unless both normal and anomalous images are there.
    """

    images: tuple[CodedImage, ...]
    positions: Mapping[str, NDArray[np.float64]] = field(repr=False)
    agreements: Mapping[str, Agreement]


def latent_map(images: Sequence[CodedImage], *, seed: int = 0) -> LatentMap:
    """Places images by t-SNE (van der Maaten and Hinton, 2008) of each code.

    The same images and seed give the same map on the same machine.

    Args:
        images: N of them, with the same codes.
        seed: of t-SNE.

    Raises:
        DataError: if there are fewer than `LEAST`.
    """
    if len(images) < LEAST:
        raise DataError(
            f"got {len(images)} images for a latent map, expected at least {LEAST}: give more labelled images, or "
            "leave the map out (--only)"
        )
    anomalous = np.array([image.kind != NORMAL for image in images])
    positions, agreements = {}, {}
    for name in CODES:
        if all(name in image.codes for image in images):
            codes = _scaled(np.stack([image.codes[name] for image in images]).astype(np.float64), name)
            positions[name] = _embedded(codes, seed)
            if anomalous.any() and not anomalous.all():
                agreements[name] = _agreement(codes, anomalous)
    return LatentMap(tuple(images), positions, agreements)


def latent_figure(found: LatentMap, title: str) -> Figure:
    """One chart for each code, and what the marks mean."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(0.4 + 4.6 * len(found.positions), 5.6), dpi=150, layout="constrained")
    axes = figure.subplots(1, len(found.positions), squeeze=False)[0]
    for axis, (name, positions) in zip(axes, found.positions.items(), strict=True):
        _scatter(axis, found.images, positions)
        agreement = found.agreements.get(name)
        told = str(agreement).replace(", ", ",\n") if agreement else ""
        axis.set_title(f"{CODES[name]}\n{told}".strip(), fontsize=8)
    handles, labels = axes[0].get_legend_handles_labels()
    legend = figure.legend(handles, labels, loc="outside lower center", ncols=5, fontsize=8, frameon=False)
    for label in legend.get_texts():
        label.set_parse_math(False)
    figure.suptitle(title, fontsize=10, parse_math=False)
    return figure


def _scatter(axis: Axes, images: Sequence[CodedImage], positions: NDArray[np.float64]) -> None:
    kinds = [image.kind for image in images]
    for kind, mark in marks_of(kinds).items():
        own = positions[[index for index, other in enumerate(kinds) if other == kind]]
        shown = kind.encode("utf-8", "backslashreplace").decode()
        # Matplotlib leaves labels that begin with an underscore out of a legend.
        label = f"{' ' if shown.startswith('_') else ''}{shown} ({len(own)})"
        axis.scatter(
            own[:, 0],
            own[:, 1],
            s=26,
            label=label,
            marker=mark.shape,
            color=mark.colour,
            edgecolors="#1b1f24",
            linewidths=0.5,
        )
    axis.set_xticks([])
    axis.set_yticks([])
    axis.set_aspect("equal")
    axis.set_xlim(-0.04, 1.04)
    axis.set_ylim(1.04, -0.04)  # downwards, as in the page


def _scaled(codes: NDArray[np.float64], name: str) -> NDArray[np.float64]:
    """Codes `(N, D)` in units in which their dimensions compare.

    Those of mu do: the prior has variance 1 in each, and one that is not used stays near 0. Features do not.
    """
    if name == "mu":
        return codes
    deviation = codes.std(axis=0)
    least = 1e-3 * max(float(deviation.max(initial=0.0)), 1e-12)
    scaled: NDArray[np.float64] = (codes - codes.mean(axis=0)) / np.maximum(deviation, least)
    return scaled


def _embedded(codes: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    from sklearn.manifold import TSNE

    if not np.ptp(codes, axis=0).any():
        return np.full((len(codes), 2), 0.5)  # all alike: t-SNE would divide by their variance
    perplexity = min(PERPLEXITY, (len(codes) - 1) / 3)
    # The exact method: the approximate one adds up in threads, in an order of its own each time.
    found: NDArray[np.float64] = TSNE(
        perplexity=perplexity, method="exact", init="pca", random_state=seed % 2**32
    ).fit_transform(codes)
    low, size = found.min(axis=0), max(float(np.ptp(found, axis=0).max()), 1e-12)
    placed: NDArray[np.float64] = (found - low - np.ptp(found, axis=0) / 2) / size + 0.5
    return placed


def _agreement(codes: NDArray[np.float64], anomalous: NDArray[np.bool_]) -> Agreement:
    from sklearn.neighbors import NearestNeighbors

    count = min(NEIGHBOURS, len(codes) - 1)
    nearest = NearestNeighbors(n_neighbors=count).fit(codes).kneighbors(return_distance=False)  # not of itself
    share = float(anomalous[nearest[anomalous]].mean())
    return Agreement(share, (int(anomalous.sum()) - 1) / (len(codes) - 1))
