"""A method with settings of its own, apart from the methods themselves, whose import takes seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Variant:
    """A column of the table: a method, with settings of its own.

    Attributes:
        name: of the column.
        base: one of `utad.evaluation.methods.METHODS`, or `anomalib:` and a model there.
        overrides: `section.key=value` of UTAD, or `argument=value` of a baseline.
    """

    name: str
    base: str
    overrides: tuple[str, ...] = ()
