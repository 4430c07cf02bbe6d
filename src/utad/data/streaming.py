"""Reading images one after the other: in threads, in order, in bounded memory, and without torch."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from utad.data.reading import DEFAULT_MAX_PIXELS, load_image
from utad.errors import ImageReadError, InputError
from utad.types import Image, Prediction, Sample

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

Read = tuple[Sample, Image | ImageReadError]
"""A sample with its image `(H, W, 3)`, uint8 or uint16, or with the reason why there is none."""

STACK_PIXELS = 2**22
"""Pixels of the images of a stack, at the most: larger images go one by one, whatever size is asked for."""

WAITING_PIXELS = 2**26
"""Pixels of what is computed ahead of the caller, at the most: with its maps and masks some 700 MB."""


def iterate_images(
    samples: Sequence[Sample], *, max_pixels: int = DEFAULT_MAX_PIXELS, workers: int | None = None
) -> Iterator[Read]:
    """Reads images one after the other, a few ahead of the caller, so that memory stays bounded.

    Args:
        samples: what to read; the order is kept.
        max_pixels: as for `read_image`.
        workers: number of threads; None for one per CPU core, at most 8.

    Yields:
        Each sample with its image `(H, W, 3)`, uint8 or uint16, or with the reason why there is none.

    Raises:
        InputError: a sample holds pixels that are not an image.
    """
    return in_order(partial(image_or_error, max_pixels=max_pixels), samples, workers=workers)


def iterate_stacks(
    samples: Sequence[Sample], size: int, *, max_pixels: int = DEFAULT_MAX_PIXELS, alike: bool = False
) -> Iterator[list[Read]]:
    """Reads images as `iterate_images` does, and hands them out in stacks, in their order.

    Args:
        samples: what to read.
        size: images in a stack, at the most.
        max_pixels: as for `read_image`.
        alike: a stack holds images of one height and width only.

    Raises:
        InputError: a sample holds pixels that are not an image.
    """
    stack: list[Read] = []
    for sample, image in iterate_images(samples, max_pixels=max_pixels):
        if not _fits(image, stack, alike=alike):
            yield stack
            stack = []
        stack.append((sample, image))
        if len(stack) == size:
            yield stack
            stack = []
    if stack:
        yield stack


def _fits(image: Image | ImageReadError, stack: Sequence[Read], *, alike: bool) -> bool:
    images = readable(stack)
    if isinstance(image, ImageReadError) or not images:
        return True
    pixels = pixels_of(stack) + image.shape[0] * image.shape[1]
    return pixels <= STACK_PIXELS and (not alike or image.shape == images[0].shape)


def readable(stack: Sequence[Read]) -> list[Image]:
    """The images of a stack, `(H, W, 3)` each, without what could not be read."""
    return [image for _, image in stack if not isinstance(image, ImageReadError)]


def in_their_places(
    stack: Sequence[Read], predictions: Iterable[Prediction]
) -> list[tuple[Sample, Prediction | ImageReadError]]:
    """The samples of a stack with the predictions of its readable images, in order, and the errors of the others."""
    found = iter(predictions)
    return [(sample, image if isinstance(image, ImageReadError) else next(found)) for sample, image in stack]


def pixels_of(stack: Sequence[Read]) -> int:
    """Pixels of the images of a stack."""
    return sum(image.shape[0] * image.shape[1] for image in readable(stack))


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
    read: Callable[[_Item], _Result],
    items: Iterable[_Item],
    *,
    workers: int | None = None,
    initializer: Callable[[], None] | None = None,
    pixels: Callable[[_Item], int] | None = None,
) -> Iterator[tuple[_Item, _Result]]:
    """What `read` makes of each item, in their order, a few ahead of the caller.

    Args:
        read: called in several threads at once.
        items: what to read; they are taken as they are needed.
        workers: number of threads; None for one per CPU core, at most 8.
        initializer: called in each thread first; a single item of a sequence needs no thread.
        pixels: of an item; where they are large, fewer are read ahead.

    Raises:
        InputError: for less than one worker.
    """
    threads = min(8, os.cpu_count() or 1) if workers is None else workers
    if threads < 1:
        raise InputError(f"got {threads} workers, expected at least 1")
    if isinstance(items, Sequence) and len(items) == 1:
        # Starting a thread would take longer than it saves.
        return ((item, read(item)) for item in items)
    return _stream(read, items, threads, initializer, pixels or (lambda _: 0))


def _stream(
    read: Callable[[_Item], _Result],
    items: Iterable[_Item],
    threads: int,
    initializer: Callable[[], None] | None,
    pixels: Callable[[_Item], int],
) -> Iterator[tuple[_Item, _Result]]:
    pending: deque[tuple[_Item, Future[_Result]]] = deque()
    pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="utad", initializer=initializer)
    try:
        for item in items:
            while pending and pixels(item) + sum(pixels(other) for other, _ in pending) > WAITING_PIXELS:
                ready, future = pending.popleft()
                yield ready, future.result()
            pending.append((item, pool.submit(read, item)))
            # Each thread has one item in work and one waiting: enough to keep it busy.
            if len(pending) >= 2 * threads:
                ready, future = pending.popleft()
                yield ready, future.result()
        while pending:
            ready, future = pending.popleft()
            yield ready, future.result()
    finally:
        # Also reached when the caller stops half-way: do not read what nobody wants.
        pool.shutdown(wait=True, cancel_futures=True)
