"""So many of what there is, evenly from all of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

_Item = TypeVar("_Item")


def evenly_chosen(given: Sequence[_Item], count: int) -> list[_Item]:
    """At most `count` of the items, evenly from all of them, in their order."""
    count = min(count, len(given))
    return [given[index * len(given) // count] for index in range(count)]
