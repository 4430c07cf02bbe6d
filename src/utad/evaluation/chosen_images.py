"""Which images figures show: by a rule that looks at their kinds and scores, and at nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from utad.interpret.marks import NORMAL
from utad.types import Sample


@dataclass(frozen=True)
class ScoredImage:
    """An image that figures may show.

    Attributes:
        sample: labelled.
        kind: of defect, or `normal`.
        score: of the reference, which the choice goes by.
    """

    sample: Sample
    kind: str
    score: float


@dataclass(frozen=True)
class Choice:
    """The images that figures show.

    Attributes:
        images: those with defects, by kind, then the normal one.
        rule: how they were chosen, in words.
    """

    images: tuple[ScoredImage, ...]
    rule: str


def choose(images: Sequence[ScoredImage], count: int) -> Choice:
    """Chooses images with defects, and the normal one of median score.

    Every kind has as many as the others, or one more; of its images those whose scores halve, third, ... it. More kinds
    than images to choose are thinned evenly in the order of their names.

    Args:
        images: all there are.
        count: of those with defects, at least 1.
    """
    kinds = sorted({image.kind for image in images if image.kind != NORMAL})
    shown = [kinds[_middle(index, count, len(kinds))] for index in range(count)] if len(kinds) > count else kinds
    chosen: list[ScoredImage] = []
    for position, kind in enumerate(shown):
        own = count // len(shown) + (position < count % len(shown))
        chosen += _at_even_ranks([image for image in images if image.kind == kind], own)
    chosen += _at_even_ranks([image for image in images if image.kind == NORMAL], 1)
    return Choice(tuple(chosen), _rule(len(kinds), count, with_normal=any(one.kind == NORMAL for one in chosen)))


def _at_even_ranks(images: Sequence[ScoredImage], count: int) -> list[ScoredImage]:
    """The image of median score; of more those in the middle of equal parts of the ranks, the highest score first."""
    ranked = sorted(images, key=lambda image: (-image.score, image.sample.name))
    count = min(count, len(ranked))
    return [ranked[_middle(index, count, len(ranked))] for index in range(count)]


def _middle(part: int, parts: int, count: int) -> int:
    """The index in the middle of one of so many equal parts of `count` things."""
    return (2 * part + 1) * count // (2 * parts)


def _rule(kinds: int, count: int, *, with_normal: bool) -> str:
    if kinds > count:
        what = [f"of {count} of the {kinds} kinds of defect, evenly by name, the image of median score"]
    elif count > kinds > 0:
        what = [f"{count} images, evenly from the kinds of defect, in the middle of equal parts of each kind's ranking"]
    else:
        what = ["of each kind of defect the image of median score"] if kinds else []
    if with_normal:
        what.append("the normal image of median score")
    return f"Images chosen by a rule, from the scores of utad: {'; '.join(what)}."
