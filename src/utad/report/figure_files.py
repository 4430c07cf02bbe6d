"""Matplotlib figures as files that are the same every time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FigureKind = Literal["png", "svg"]

FIGURES: tuple[FigureKind, ...] = ("png", "svg")
"""What figures are written as."""


def figure_writer(figure: Figure, kind: FigureKind) -> Callable[[Path], None]:
    """Writes the figure to the path that it is called with."""

    def write(path: Path) -> None:
        from matplotlib import rc_context

        # Without the time and a random salt, the same figure gives the same file.
        with rc_context({"svg.hashsalt": "utad"}):
            figure.savefig(path, format=kind, metadata={"Date": None} if kind == "svg" else None)

    return write
