"""Scoring several stacks of images at once, each on cores of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, partial
from typing import TypeVar

import torch
from threadpoolctl import ThreadpoolController

from utad.data.streaming import in_order

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

MOST_AT_ONCE = 8
"""Stacks at a time, at the most: each holds its own buffers."""


def over_cores(
    function: Callable[[_Item], _Result],
    items: Iterable[_Item],
    *,
    count: int | None = None,
    pixels: Callable[[_Item], int] | None = None,
) -> Iterator[_Result]:
    """What `function` makes of each item, in inference mode and in order, a few ahead of the caller.

    Two stacks side by side on a core each take less time than one after the other on both: the networks are small, and
    two cores on one of their layers wait for each other more than they compute (docs/adr/0009).

    Args:
        function: called in as many threads as torch computes with, which share its cores.
        items: what it is called with; they are taken as they are needed.
        count: how many there are about; None for a sequence, which knows.
        pixels: of an item, as for `in_order`.
    """
    if count is None:
        assert isinstance(items, Sequence)
        count = len(items)
    threads = torch.get_num_threads()
    workers = min(threads, count, MOST_AT_ONCE)
    function = torch.inference_mode()(function)
    if workers < 2:
        yield from map(function, items)
        return
    prepare = partial(_take_cores, threads // workers)
    _libraries()  # looked up here: threads that all look at once look several times
    for _, result in in_order(function, items, workers=workers, initializer=prepare, pixels=pixels):
        yield result


def _take_cores(own: int) -> None:
    """Has torch compute on `own` cores in this thread; OpenMP keeps the number of each thread apart."""
    # Torch gives a thread that it does not know yet the number of all cores: let that happen first.
    torch.get_num_threads()
    _libraries().limit(limits=own, user_api="openmp")


@cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()
