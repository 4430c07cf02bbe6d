"""The terms of the calibrated measurement by name: which features each looks at, and how."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from utad.config import ScoringConfig
from utad.errors import ConfigError
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


@dataclass(frozen=True)
class TermSpec:
    """What a term looks at.

    Attributes:
        source: one of `SOURCES`.
        first: the first stage it uses, as a position in `backbone.stages`; clipped to those there are.
        last: the last one.
        grid: the stage whose resolution the map has.
        kind: how normal features are described.
    """

    source: Source
    first: int
    last: int
    grid: int
    kind: Literal["gaussian", "neighbours"] = "gaussian"


TERMS: dict[str, TermSpec] = {
    "input": TermSpec("x", 1, 3, 2),
    "input-fine": TermSpec("x", 0, 2, 2),
    "residual": TermSpec("x - x_hat", 1, 3, 2),
    "residual-fine": TermSpec("x - x_hat", 0, 2, 2),
    "naive": TermSpec("m - m_hat", 1, 3, 2),
    "impression": TermSpec("x - m", 1, 3, 2),
    "neighbours": TermSpec("x", 1, 2, 2, "neighbours"),
    "neighbours-fine": TermSpec("x", 0, 1, 1, "neighbours"),
}


def build_term(name: str, config: ScoringConfig, seed: int) -> GaussianTerm | NeighboursTerm:
    """An unfitted term.

    Raises:
        ConfigError: if there is no term of that name.
    """
    if name not in TERMS:
        raise ConfigError(f"scoring.terms: unknown term {name!r}, choose from {', '.join(TERMS)}")
    if TERMS[name].kind == "gaussian":
        return GaussianTerm()
    return NeighboursTerm(config.coreset_size, seed)


def term_vectors(name: str, features: Sequence[StageFeatures]) -> Tensor:
    """The feature vectors that a term describes, `(N, C, g, g)`, stages joined at one resolution."""
    spec = TERMS[name]
    last = len(features) - 1
    chosen = features[min(spec.first, last) : spec.last + 1]
    side = features[min(spec.grid, last)].image.shape[-1]
    return torch.cat([_at_side(SOURCES[spec.source](stage), side) for stage in chosen], dim=1)


def _at_side(maps: Tensor, side: int) -> Tensor:
    if maps.shape[-1] == side:
        return maps
    if maps.shape[-1] > side:
        return functional.adaptive_avg_pool2d(maps, side)
    return functional.interpolate(maps, size=(side, side), mode="bilinear", align_corners=False)
