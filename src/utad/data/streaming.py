"""Reading images one after the other: in threads, in order, in bounded memory, and without torch."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import chain, islice
from threading import get_ident
from typing import TypeVar

from utad.data.reading import DEFAULT_MAX_PIXELS, load_image
from utad.errors import ImageReadError, InputError
from utad.types import Image, Sample

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

Read = tuple[Sample, Image | ImageReadError]
"""A sample with its image `(H, W, 3)`, uint8 or uint16, or with the reason why there is none."""

BATCH_PIXELS = 2**22
"""Most pixels of the images of a batch: larger images are computed one by one, whatever size is asked for."""

WAITING_PIXELS = 2**26
"""Most pixels of what is computed ahead of the caller: with maps and masks some 700 MB."""


def iterate_images(
    samples: Iterable[Sample], *, max_pixels: int = DEFAULT_MAX_PIXELS, workers: int | None = None
) -> Iterator[Read]:
    """Reads images one after the other, a few ahead of the caller, so that memory stays bounded.

    Args:
        samples: what to read; the order is kept, and they are taken as they are needed.
        max_pixels: as for `read_image`.
        workers: number of threads; None for one per CPU core, at most 8.

    Yields:
        Each sample with its image `(H, W, 3)`, uint8 or uint16, or with the reason why there is none.

    Raises:
        InputError: a sample holds pixels that are not an image.
    """
    return in_order(partial(image_or_error, max_pixels=max_pixels), samples, workers=workers)


def iterate_batches(
    samples: Iterable[Sample],
    size: int,
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    same_size: bool = False,
    workers: int | None = None,
) -> Iterator[list[Read]]:
    """Reads images as `iterate_images` does, and hands them out in batches, in their order.

    Args:
        samples: what to read.
        size: most images in a batch.
        max_pixels: as for `read_image`.
        same_size: a batch holds images of one height and width only.
        workers: number of threads that read; None for one per CPU core, at most 8.

    Raises:
        InputError: a sample holds pixels that are not an image.
    """
    batch: list[Read] = []
    pixels, shape = 0, None
    for sample, image in iterate_images(samples, max_pixels=max_pixels, workers=workers):
        if not isinstance(image, ImageReadError):
            own = image.shape[0] * image.shape[1]
            if pixels and (pixels + own > BATCH_PIXELS or (same_size and image.shape != shape)):
                yield batch
                batch, pixels = [], 0
            pixels, shape = pixels + own, image.shape
        batch.append((sample, image))
        if len(batch) == size:
            yield batch
            batch, pixels = [], 0
    if batch:
        yield batch


def pixels_of(batch: Sequence[Read]) -> int:
    """Pixels of the images of a batch."""
    return sum(image.shape[0] * image.shape[1] for _, image in batch if not isinstance(image, ImageReadError))


def image_or_error(sample: Sample, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Image | ImageReadError:
    """The image of a sample `(H, W, 3)`, uint8 or uint16, or the reason why there is none.

    Raises:
        InputError: the sample holds pixels that are not an image.
    """
    try:
        return load_image(sample, max_pixels=max_pixels)
    except ImageReadError as error:
        return error


def in_order(
    function: Callable[[_Item], _Result],
    items: Iterable[_Item],
    *,
    workers: int | None = None,
    pixels: Callable[[_Item], int] | None = None,
) -> Iterator[tuple[_Item, _Result]]:
    """What `function` makes of each item, in their order, a few ahead of the caller.

    Args:
        function: called in several threads at once; a single item needs no thread.
        items: they are taken as they are needed.
        workers: number of threads; None for one per CPU core, at most 8.
        pixels: of an item; where they are large, fewer are computed ahead.

    Raises:
        InputError: for less than one worker.
    """
    threads = min(8, os.cpu_count() or 1) if workers is None else workers
    if threads < 1:
        raise InputError(f"got {threads} workers, expected at least 1")
    return _stream(function, iter(items), threads, pixels)


def _stream(
    function: Callable[[_Item], _Result],
    items: Iterator[_Item],
    threads: int,
    pixels: Callable[[_Item], int] | None,
) -> Iterator[tuple[_Item, _Result]]:
    first = list(islice(items, 2))
    if len(first) < 2:
        # Starting a thread would take longer than it saves.
        yield from ((item, function(item)) for item in first)
        return
    pending: deque[tuple[_Item, Future[_Result]]] = deque()
    own: set[int] = set()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="utad", initializer=lambda: own.add(get_ident()))
    try:
        for item in chain(first, items):
            while pixels and pending and pixels(item) + sum(pixels(other) for other, _ in pending) > WAITING_PIXELS:
                ready, future = pending.popleft()
                yield ready, future.result()
            pending.append((item, pool.submit(function, item)))
            # Each thread has one item in work and one waiting: enough to keep it busy.
            if len(pending) >= 2 * threads:
                ready, future = pending.popleft()
                yield ready, future.result()
        while pending:
            ready, future = pending.popleft()
            yield ready, future.result()
    finally:
        # Also reached when the caller stops half-way: do not read what nobody wants.
        # Where a signal left it to the garbage collector, that may be in a thread of the pool: it cannot await itself.
        pool.shutdown(wait=get_ident() not in own, cancel_futures=True)
