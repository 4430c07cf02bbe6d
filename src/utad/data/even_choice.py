"""So many of what there is, evenly from all of it. Without torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

_Item = TypeVar("_Item")


def even_indices(count: int, limit: int) -> list[int]:
    """At most `limit` of the indices below `count`, evenly from all of them, ascending."""
    kept = min(count, limit)
    return [index * count // kept for index in range(kept)]


def evenly_chosen(given: Sequence[_Item], count: int) -> list[_Item]:
    """At most `count` of the items, evenly from all of them, in their order."""
    return [given[index] for index in even_indices(len(given), count)]
