"""Reading the images of a data set into memory, naming every file that is damaged."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from utad.data.alignment import Alignment, aligned
from utad.data.conversion import is_grey
from utad.data.letterbox import Letterbox
from utad.data.reading import DEFAULT_MAX_PIXELS, load_image
from utad.data.region_of_interest import RegionOfInterest
from utad.data.streaming import in_order
from utad.data.tensors import to_tensor
from utad.errors import DatasetError, ImageReadError
from utad.progress import tracked
from utad.types import Sample

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoadedImages:
    """Images in memory, ready for a network.

    Attributes:
        images: `(N, C, S, S)` float32 in [0, 1].
        names: the N names of the samples, in the order of `images`.
        skipped: what was wrong with each file that was left out.
        channels: C, 1 or 3.
        shapes: height and width of each of the N images as it was read.
    """

    images: Tensor = field(repr=False)
    names: tuple[str, ...]
    skipped: tuple[ImageReadError, ...]
    channels: int
    shapes: tuple[tuple[int, int], ...] = ()


def load_images(
    samples: Sequence[Sample],
    *,
    size: int,
    channels: int | None,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    region: RegionOfInterest | None = None,
    letterbox: Letterbox | None = None,
    alignment: Alignment | None = None,
    skip_bad: bool = False,
    workers: int | None = None,
    progress: bool = False,
) -> LoadedImages:
    """Reads and resizes all images of a data set.

    Args:
        samples: what to read; the order is kept.
        size: side S in pixels.
        channels: 1 or 3; None takes 1 where every image is grey, else 3.
        max_pixels: as for `read_image`.
        region: what counts; the rest is filled before anything is looked at. None for the whole image.
        letterbox: how images are framed, to whose region the rest is filled then; None where they are squeezed.
        alignment: what the images are registered to; those that cannot be count as files that cannot be read. None
            leaves them as they lie.
        skip_bad: go on without the files that cannot be read, instead of stopping.
        workers: number of threads; None for one per CPU core, at most 8.
        progress: shows a progress bar, instead of lines in the log.

    Raises:
        DatasetError: files are damaged (all of them are named), or nothing is left.
        InputError: a sample holds pixels that are not an image, or an argument is out of range.
    """
    if not samples:
        raise DatasetError("got no images to load, expected at least one")

    def read(sample: Sample) -> tuple[Tensor, tuple[int, int]] | ImageReadError:
        try:
            image = aligned(sample, load_image(sample, max_pixels=max_pixels), alignment)
        except ImageReadError as error:
            return error
        shape = (image.shape[0], image.shape[1])
        if letterbox is not None:
            image = letterbox.region.filled(letterbox.framed(image))
        elif region is not None:
            image = region.filled(image)
        return to_tensor(image, size, channels or (1 if is_grey(image) else 3)), shape

    tensors: list[Tensor] = []
    names: list[str] = []
    shapes: list[tuple[int, int]] = []
    bad: list[ImageReadError] = []
    outcomes = in_order(read, samples, workers=workers)
    for sample, result in tracked(outcomes, len(samples), "reading", bar=progress):
        if isinstance(result, ImageReadError):
            bad.append(result)
        else:
            tensors.append(result[0])
            shapes.append(result[1])
            names.append(sample.name)
    refuse_damaged(bad, total=len(samples), skip_bad=skip_bad)
    images = joined(tensors)
    return LoadedImages(images, tuple(names), tuple(bad), channels=images.shape[1], shapes=tuple(shapes))


def refuse_damaged(bad: Sequence[ImageReadError], *, total: int, skip_bad: bool) -> None:
    """Says what was wrong with each file of `total` that cannot be read.

    Raises:
        DatasetError: unless they are to be skipped and are not all.
    """
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


def joined(tensors: list[Tensor]) -> Tensor:
    """Images `(C, S, S)` as one batch `(N, 3, S, S)`, or `(N, 1, S, S)` if all are grey; empties the list."""
    channels = max(tensor.shape[0] for tensor in tensors)
    size = tensors[0].shape[-1]
    images = torch.empty(len(tensors), channels, size, size, dtype=torch.float32)  # (N, C, S, S)
    # Filled from the back while the list shrinks, so that the images are never in memory twice over.
    for index in reversed(range(len(images))):
        images[index] = tensors.pop()
    return images
