"""Reading many images at once: in threads, in order, and naming every file that is damaged."""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor

from utad.data.reading import DEFAULT_MAX_PIXELS, load_image
from utad.data.tensors import is_grey, to_tensor
from utad.errors import DatasetError, ImageReadError, InputError
from utad.types import Image, Sample

_log = logging.getLogger(__name__)

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class LoadedImages:
    """Images in memory, ready for a network.

    Attributes:
        images: `(N, C, S, S)` float32 in [0, 1].
        names: the N names of the samples, in the order of `images`.
        skipped: what was wrong with each file that was left out.
        channels: C, 1 or 3.
    """

    images: Tensor = field(repr=False)
    names: tuple[str, ...]
    skipped: tuple[ImageReadError, ...]
    channels: int


def load_images(
    samples: Sequence[Sample],
    *,
    size: int,
    channels: int | None,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    skip_bad: bool = False,
    workers: int | None = None,
) -> LoadedImages:
    """Reads and resizes all images of a data set.

    Args:
        samples: what to read; the order is kept.
        size: side S in pixels.
        channels: 1 or 3; None takes 1 where every image is grey, else 3.
        max_pixels: as for `read_image`.
        skip_bad: go on without the files that cannot be read, instead of stopping.
        workers: number of threads; None for one per CPU core, at most 8.

    Raises:
        DatasetError: files are damaged (all of them are named), or nothing is left.
        InputError: a sample holds pixels that are not an image, or an argument is out of range.
    """
    if not samples:
        raise DatasetError("got no images to load, expected at least one")

    def read(sample: Sample) -> Tensor | ImageReadError:
        try:
            image = load_image(sample, max_pixels=max_pixels)
        except ImageReadError as error:
            return error
        return to_tensor(image, size, channels or (1 if is_grey(image) else 3))

    tensors: list[Tensor] = []
    names: list[str] = []
    bad: list[ImageReadError] = []
    for sample, result in _in_order(read, samples, workers=workers):
        if isinstance(result, ImageReadError):
            bad.append(result)
        else:
            tensors.append(result)
            names.append(sample.name)
    _report(bad, total=len(samples), skip_bad=skip_bad)
    images = _stack(tensors)
    return LoadedImages(images, tuple(names), tuple(bad), channels=images.shape[1])


def iterate_images(
    samples: Sequence[Sample], *, max_pixels: int = DEFAULT_MAX_PIXELS, workers: int | None = None
) -> Iterator[tuple[Sample, Image | ImageReadError]]:
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

    def read(sample: Sample) -> Image | ImageReadError:
        try:
            return load_image(sample, max_pixels=max_pixels)
        except ImageReadError as error:
            return error

    return _in_order(read, samples, workers=workers)


def _in_order(
    read: Callable[[Sample], _Result], samples: Sequence[Sample], *, workers: int | None
) -> Iterator[tuple[Sample, _Result]]:
    threads = min(8, os.cpu_count() or 1) if workers is None else workers
    if threads < 1:
        raise InputError(f"got {threads} workers, expected at least 1")
    return _stream(read, samples, threads)


def _stream(
    read: Callable[[Sample], _Result], samples: Sequence[Sample], threads: int
) -> Iterator[tuple[Sample, _Result]]:
    pending: deque[tuple[Sample, Future[_Result]]] = deque()
    pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="utad-read")
    try:
        for sample in samples:
            pending.append((sample, pool.submit(read, sample)))
            # Each thread has one image in work and one waiting: enough to keep it busy.
            if len(pending) >= 2 * threads:
                ready, future = pending.popleft()
                yield ready, future.result()
        while pending:
            ready, future = pending.popleft()
            yield ready, future.result()
    finally:
        # Also reached when the caller stops half-way: do not read what nobody wants.
        pool.shutdown(wait=True, cancel_futures=True)


def _report(bad: Sequence[ImageReadError], *, total: int, skip_bad: bool) -> None:
    if not bad:
        return
    reasons = "; ".join(str(error) for error in bad)
    if len(bad) == total:
        raise DatasetError(f"none of the {total} images can be read: {reasons}")
    if not skip_bad:
        raise DatasetError(
            f"{len(bad)} of {total} images cannot be read: {reasons}. "
            "Repair or remove them, or skip them (skip_bad=True, --skip-bad)"
        )
    _log.warning("%d of %d images cannot be read and are skipped: %s", len(bad), total, reasons)


def _stack(tensors: list[Tensor]) -> Tensor:
    channels = max(tensor.shape[0] for tensor in tensors)
    size = tensors[0].shape[-1]
    images = torch.empty(len(tensors), channels, size, size, dtype=torch.float32)  # (N, C, S, S)
    # Filled from the back while the list shrinks, so that the images are never in memory twice over.
    for index in reversed(range(len(images))):
        images[index] = tensors.pop()
    return images
