"""The terms of the calibrated measurement by name: which features each looks at, and how."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from utad.config import ScoringConfig
from utad.errors import ConfigError
from utad.models.two_stage import ImageName
from utad.scoring.features import StageFeatures
from utad.scoring.gaussian import GaussianTerm
from utad.scoring.neighbours import NeighboursTerm

Source = Literal["x", "x - x_hat", "m - m_hat", "x - m"]

SOURCES: dict[Source, Callable[[StageFeatures], Tensor]] = {
    "x": lambda stage: stage.image,
    "x - x_hat": lambda stage: stage.image - stage.reconstruction,
    "m - m_hat": lambda stage: stage.impression - stage.naive_impression,
    "x - m": lambda stage: stage.image - stage.impression,
}
"""The features of the image, and the signed differences of the three pairs of Eq. 8, `(N, C_l, H_l, W_l)`."""


LOOKS_AT: dict[Source, tuple[ImageName, ...]] = {
    "x": ("image",),
    "x - x_hat": ("image", "reconstruction"),
    "m - m_hat": ("impression", "naive_impression"),
    "x - m": ("image", "impression"),
}
"""The images that each source needs the features of."""


@dataclass(frozen=True)
class TermSpec:
    """What a term looks at.

    Attributes:
        source: one of `SOURCES`.
        first: the first stage it uses, as a position in `backbone.stages`; clipped to those there are.
        last: the last one.
        grid: the stage whose resolution the map has; None for one vector an image, the mean over all positions.
        windows: sides of the windows that features are averaged over, in positions of the grid; one vector holds
            the averages of all. A window that a defect fills raises it above the noise of a busy surface, and
            two of them tell a place from what is around it; 1 leaves features as they are.
        kind: how normal features are described.
    """

    source: Source
    first: int
    last: int
    grid: int | None
    windows: tuple[int, ...] = (3,)
    kind: Literal["gaussian", "neighbours"] = "gaussian"


TERMS: dict[str, TermSpec] = {
    "input": TermSpec("x", 1, 3, 2),
    "input-fine": TermSpec("x", 0, 2, 2),
    "input-near": TermSpec("x", 0, 2, 2, windows=(1, 3)),
    "input-wide": TermSpec("x", 0, 1, 1, windows=(9,)),
    "impression": TermSpec("x - m", 1, 3, 2),
    "impression-fine": TermSpec("x - m", 0, 2, 2),
    "residual": TermSpec("x - x_hat", 1, 3, 2),
    "residual-fine": TermSpec("x - x_hat", 0, 2, 2),
    "naive": TermSpec("m - m_hat", 1, 3, 2),
    "naive-fine": TermSpec("m - m_hat", 0, 2, 2),
    "whole": TermSpec("x", 2, 3, None, windows=(1,)),
    "naive-whole": TermSpec("m - m_hat", 2, 3, None, windows=(1,)),
    # The nearest-neighbour term averages over 3x3 windows itself.
    "neighbours": TermSpec("x", 1, 2, 2, windows=(1,), kind="neighbours"),
    "neighbours-fine": TermSpec("x", 0, 1, 1, windows=(1,), kind="neighbours"),
}


def build_term(name: str, config: ScoringConfig, seed: int) -> GaussianTerm | NeighboursTerm:
    """An unfitted term.

    Raises:
        ConfigError: if there is no term of that name.
    """
    if name not in TERMS:
        raise ConfigError(f"scoring.terms: unknown term {name!r}, choose from {', '.join(TERMS)}")
    return GaussianTerm() if TERMS[name].kind == "gaussian" else NeighboursTerm(config.coreset_size, seed)


def images_of(names: Iterable[str]) -> frozenset[ImageName]:
    """The images that these terms need the features of."""
    return frozenset(image for name in names for image in LOOKS_AT[TERMS[name].source])


def has_map(name: str) -> bool:
    """Whether the term says where, and not only whether."""
    return TERMS[name].grid is not None


def term_vectors(name: str, features: Sequence[StageFeatures]) -> Tensor:
    """The feature vectors of a term, `(N, C, g, g)`, stages joined at one resolution; g is 1 where it has no map."""
    spec = TERMS[name]
    last = len(features) - 1
    chosen = [SOURCES[spec.source](stage) for stage in features[min(spec.first, last) : spec.last + 1]]
    if spec.grid is None:
        return torch.cat([maps.mean(dim=(2, 3), keepdim=True) for maps in chosen], dim=1)
    side = SOURCES[spec.source](features[min(spec.grid, last)]).shape[-1]
    joined = torch.cat([_at_side(maps, side) for maps in chosen], dim=1)
    return torch.cat([average_over(joined, window) for window in spec.windows], dim=1)


def average_over(maps: Tensor, window: int) -> Tensor:
    """Maps `(N, C, g, g)` averaged over the odd window around each position, as far as it lies inside."""
    if window == 1:
        return maps
    return functional.avg_pool2d(maps, window, stride=1, padding=window // 2, count_include_pad=False)


def _at_side(maps: Tensor, side: int) -> Tensor:
    if maps.shape[-1] == side:
        return maps
    if maps.shape[-1] > side:
        return functional.adaptive_avg_pool2d(maps, side)
    return functional.interpolate(maps, size=(side, side), mode="bilinear", align_corners=False)
