"""From the config to the region of interest and the letterbox of a model, once, at the size of the training images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from utad.config import ImageConfig
from utad.config.shapes import Box, Polygon, Shape, corners_of, is_relative, plain
from utad.data.letterbox import Letterbox, framed_mask
from utad.data.reading import load_image, read_mask, read_size
from utad.data.region_of_interest import RegionOfInterest, nearest
from utad.data.subsets import evenly
from utad.data.working_region import LEAST_POSITIONS, WorkingRegion
from utad.errors import ConfigError, ImageReadError
from utad.types import Mask, Sample

LONGEST = 1024
"""Longer side of the mask of a region; larger images have a coarser one."""

_SAMPLED = 32
"""Images at most that the colour of what is left out is taken from."""

_PROPORTION = 0.02
"""Relative difference of the proportions of a mask file and of the images that rounding may make."""


def region_of_interest(settings: ImageConfig, samples: Sequence[Sample]) -> RegionOfInterest | None:
    """The region that the config names, for images like these.

    Args:
        settings: its `roi` and `ignore` are drawn.
        samples: the training images; those that cannot be read have no part in it.

    Returns:
        None where the whole image counts, or no image can be read.

    Raises:
        ConfigError: if a shape is in pixels and the images are of several sizes, or reaches beyond them; if a mask file
            cannot be read or is of other proportions; if too little of an image is left that is not cut into tiles.
    """
    sizes = _sizes(samples) if settings.has_shapes else []
    if not sizes:
        return None
    only = sizes[0] if len(sizes) == 1 else None
    height, width = (max(lengths) for lengths in zip(*sizes, strict=True))
    scale = min(1.0, LONGEST / max(height, width))
    size = (max(1, round(scale * height)), max(1, round(scale * width)))
    mask = _union("roi", settings.roi, size, only, settings.max_pixels) if settings.roi else np.ones(size, np.bool_)
    if settings.ignore:
        mask = mask & ~_union("ignore", settings.ignore, size, only, settings.max_pixels)
    if settings.tile is None:  # Of tiles it is pixels that count (`load_tiles`).
        _check_enough(mask, settings)
    return RegionOfInterest(mask, _mean_colour(mask, samples, settings.max_pixels))


def letterbox_of(settings: ImageConfig, samples: Sequence[Sample], region: RegionOfInterest | None) -> Letterbox | None:
    """The frame that makes images like these square.

    Args:
        settings: `letterbox` is looked at.
        samples: the training images; those that cannot be read have no part in it.
        region: of interest in them; None where all of them counts.

    Returns:
        None where images are to be squeezed, are square, or none can be read.

    Raises:
        ConfigError: if they are of several aspects, or too little of the frame is left.
    """
    sizes = _sizes(samples) if settings.letterbox else []
    aspects = sorted(width / height for height, width in sizes)
    if not aspects or max(aspects[-1] - 1.0, 1.0 - aspects[0]) <= _PROPORTION:
        return None
    if aspects[-1] / aspects[0] > 1.0 + _PROPORTION:
        raise ConfigError(
            f"image.letterbox: the training images are from {aspects[0]:.3g} to {aspects[-1]:.3g} times as wide as "
            "high, and one frame fits images of one aspect: give such images, or cut tiles (image.tile)"
        )
    aspect = aspects[len(aspects) // 2]
    height, width = max(sizes)
    scale = min(1.0, LONGEST / max(height, width))
    whole = np.ones((max(1, round(scale * height)), max(1, round(scale * width))), np.bool_)
    mask = whole if region is None else region.mask
    framed = framed_mask(mask, aspect)
    _check_enough(framed, settings)
    fill = region.fill if region is not None else _mean_colour(whole, samples, settings.max_pixels)
    return Letterbox(aspect, RegionOfInterest(framed, fill))


def _sizes(samples: Sequence[Sample]) -> list[tuple[int, int]]:
    """Every size `(H, W)` that occurs; what cannot be read is reported where it is loaded."""
    found: dict[tuple[int, int], None] = {}
    for sample in samples:
        try:
            size = read_size(sample.image) if isinstance(sample.image, Path) else sample.image.shape[:2]
        except ImageReadError:
            continue
        found[(int(size[0]), int(size[1]))] = None
    return list(found)


def _union(
    name: str, shapes: Sequence[Shape], size: tuple[int, int], only: tuple[int, int] | None, max_pixels: int
) -> Mask:
    """What lies in any of the shapes, `(h, w)`.

    Args:
        name: of the setting.
        shapes: of the setting.
        size: `(h, w)` of the mask.
        only: `(H, W)` of all images; None where they differ.
        max_pixels: of a mask file.
    """
    found = np.zeros(size, np.bool_)
    for shape in shapes:
        if isinstance(shape, Path):
            drawn = _from_file(name, shape, size, only, max_pixels)
        else:
            drawn = _drawn(name, shape, size, only)
        if not drawn.any():
            raise ConfigError(f"image.{name}: {plain(shape)} covers no pixel of the images: is it what you mean?")
        found |= drawn
    return found


def _from_file(name: str, path: Path, size: tuple[int, int], only: tuple[int, int] | None, max_pixels: int) -> Mask:
    try:
        mask = read_mask(path, max_pixels=max_pixels)
    except ImageReadError as error:
        raise ConfigError(f"image.{name}: {error}") from None
    if only is not None:
        ratio = mask.shape[0] * only[1] / (mask.shape[1] * only[0])
        if abs(ratio - 1.0) > _PROPORTION:
            raise ConfigError(
                f"image.{name}: {path} is {mask.shape[1]} x {mask.shape[0]} pixels and the training images are "
                f"{only[1]} x {only[0]}: a mask must have their proportions"
            )
    return nearest(mask, size)


def _drawn(name: str, shape: Box | Polygon, size: tuple[int, int], only: tuple[int, int] | None) -> Mask:
    """A box or polygon as a mask: the pixels whose centres lie in it."""
    corners = np.array(corners_of(shape))  # (P, 2), x and y
    if is_relative(shape):
        parts = corners
    elif only is None:
        raise ConfigError(
            f"image.{name}: {plain(shape)} is in pixels, and the training images are of several sizes: give parts of "
            "the image instead, from 0 to 1"
        )
    else:
        parts = corners / (only[1], only[0])
        if (parts > 1.0).any():
            raise ConfigError(
                f"image.{name}: {plain(shape)} reaches beyond the training images, which are {only[1]} pixels wide and "
                f"{only[0]} high"
            )
    from skimage.draw import polygon2mask

    # Whole coordinates are centres of pixels there, and edges here.
    points = parts[:, ::-1] * size - 0.5
    drawn: Mask = polygon2mask(size, points)
    return drawn


def _check_enough(mask: Mask, settings: ImageConfig) -> None:
    count, total = WorkingRegion.of(RegionOfInterest(mask, (0, 0, 0)), settings.size, 1).n_working()
    if not mask.any() or count < LEAST_POSITIONS:
        raise ConfigError(
            f"image.roi, image.ignore and image.letterbox leave {100 * mask.mean():.2g} % of the image, "
            f"{count if mask.any() else 0} of {total} positions of the working grid, and at least {LEAST_POSITIONS} "
            "are needed: take a larger region, crop the images, or raise image.size"
        )


def _mean_colour(mask: Mask, samples: Sequence[Sample], max_pixels: int) -> tuple[int, int, int]:
    """The mean of what is inside, over some images: an edge at the border of the region shows as little as it can."""
    means = []
    for index in evenly(len(samples), _SAMPLED).tolist():
        try:
            image = load_image(samples[index], max_pixels=max_pixels)
        except ImageReadError:
            continue
        inside = nearest(mask, (image.shape[0], image.shape[1]))
        if inside.any():
            means.append(image[inside].mean(axis=0, dtype=np.float64) / (1 if image.dtype == np.uint8 else 257))
    levels = np.mean(means, axis=0) if means else np.full(3, 128.0)
    red, green, blue = (int(level) for level in np.round(levels))
    return red, green, blue
