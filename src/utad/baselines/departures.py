"""What a compared method leaves out of the method it is named after: said once, in its own file, shown in every table.

Without torch, so that tables can be written where it is not installed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

NOT_STATED = "not stated"
"""Steps of a source that does not say how many, or of which nobody here is sure."""

SIMPLIFIED = "simplified"


@dataclass(frozen=True, kw_only=True)
class Departures:
    """How a method here differs from its source.

    Attributes:
        source: authors, venue and year.
        changes: what is done otherwise, and what is left out.
        source_steps: how long the source trains; empty for methods that train nothing.
        steps: how long it is trained here, from the method's own settings; empty for methods that train nothing.
        label: stands behind the method's name in tables; empty for no mark.
    """

    source: str
    changes: tuple[str, ...]
    source_steps: str
    steps: str = ""
    label: str = SIMPLIFIED

    def marked(self, name: str) -> str:
        """The name of a method as a table shows it."""
        return f"{name} ({self.label})" if self.label else name

    def sentence(self) -> str:
        """The source, what differs from it, and the steps here beside the source's."""
        trained = f" Steps here: {self.steps}. Steps of the source: {self.source_steps}." if self.steps else ""
        return f"{self.source}; here {'; '.join(self.changes)}.{trained}"


def from_json(stored: Mapping[str, Any]) -> Departures:
    """Departures of `dataclasses.asdict`, as results keep them."""
    return Departures(
        source=stored["source"],
        changes=tuple(stored["changes"]),
        source_steps=stored["source_steps"],
        steps=stored["steps"],
        label=stored["label"],
    )
