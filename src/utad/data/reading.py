"""Reading image and mask files safely: any accepted format in, one form out, one error for every damage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import PIL.Image

# Imported for their effect: each registers its format, once, before any thread needs it.
from PIL import (
    BmpImagePlugin,  # noqa: F401
    JpegImagePlugin,  # noqa: F401
    PngImagePlugin,  # noqa: F401
    PpmImagePlugin,  # noqa: F401
    TiffImagePlugin,  # noqa: F401
    WebPImagePlugin,  # noqa: F401
)

from utad.data.conversion import decoded, image_from_array, one_line, orientation_of, oriented
from utad.data.local import not_local
from utad.data.pillow_warnings import quiet_pillow
from utad.data.tiff import unread_tiff
from utad.errors import DatasetError, ImageReadError, InputError
from utad.types import Image, Mask, Sample

__all__ = [
    "ACCEPTED_FORMATS",
    "DEFAULT_MAX_PIXELS",
    "IMAGE_SUFFIXES",
    "count_pages",
    "decoded",
    "format_of",
    "has_two_colours",
    "image_from_array",
    "image_from_bytes",
    "load_image",
    "load_mask",
    "read_image",
    "read_mask",
    "read_size",
]

ACCEPTED_FORMATS: tuple[str, ...] = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "PPM")
"""Pillow's names of the formats that are read, whatever the file is called."""

IMAGE_SUFFIXES: tuple[str, ...] = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".dib"),
    *(".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm"),
)
"""Endings, in lower case, of the files that are taken for images when a folder is listed."""

DEFAULT_MAX_PIXELS = 100_000_000
"""Images of more pixels than this are refused unless the caller raises the limit."""


def read_image(path: Path, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Image:
    """Reads an image file.

    The format is told from the content, never from the name. Of several frames the first is read, EXIF
    orientation is applied, transparent parts are laid over white, and grey, palette, CMYK, YCbCr and LAB
    become RGB. Pillow reads colour PNG and TIFF of 16 bits a channel with 8; 16-bit *grey* keeps all bits.

    Args:
        path: the file.
        max_pixels: the largest allowed width times height, checked in the header before anything is decoded.

    Returns:
        `(H, W, 3)`, uint8 in [0, 255], or uint16 in [0, 65535] for 16-bit grey and for float grey in [0, 1].

    Raises:
        ImageReadError: the file is missing, empty, damaged, too large or of another format; named.
    """
    with _opened(path, max_pixels=max_pixels) as image:
        return decoded(image)


def image_from_bytes(content: bytes, *, name: str, max_pixels: int = DEFAULT_MAX_PIXELS) -> Image:
    """Reads an image file that is in memory, as `read_image` reads one from a path.

    Args:
        content: of the file.
        name: what to call it in an error.
        max_pixels: as for `read_image`.

    Returns:
        `(H, W, 3)`, uint8 or uint16.

    Raises:
        ImageReadError: it is empty, damaged, too large or of another format; named.
    """
    with _opened(name, max_pixels=max_pixels, content=content) as image:
        return decoded(image)


def format_of(content: bytes, *, name: str) -> str:
    """The format of an image file that is in memory, told from its header: one of `ACCEPTED_FORMATS`.

    Raises:
        ImageReadError: it is empty, damaged, or of another format; named.
    """
    with _opened(name, max_pixels=None, content=content) as image:
        # Photographs of some cameras hold further pictures behind the first; it is a JPEG all the same.
        return "JPEG" if image.format == "MPO" else str(image.format)


def read_mask(path: Path, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Mask:
    """Reads a ground-truth file.

    A pixel is anomalous where any colour channel is not zero and it is not fully transparent. So 0 / 1
    and 0 / 255 masks, grey or coloured, read alike. JPEG leaves small values around every edge: there a pixel is
    anomalous where a channel is above half of the largest value.

    Args:
        path: the file, of any accepted format.
        max_pixels: as for `read_image`.

    Returns:
        `(H, W)` bool, true where anomalous.

    Raises:
        ImageReadError: as for `read_image`.
    """
    with _opened(path, max_pixels=max_pixels) as image:
        orientation = orientation_of(image)
        if image.mode in ("1", "L", "I", "F") or image.mode.startswith("I;16"):
            mask = np.array(image) != 0
        elif image.has_transparency_data:
            rgba = np.array(image.convert("RGBA"))  # (H, W, 4)
            mask = (rgba[..., :3] != 0).any(axis=-1) & (rgba[..., 3] != 0)
        else:
            mask = (np.array(image.convert("RGB")) != 0).any(axis=-1)
        if image.format == "JPEG":
            levels = np.array(image.convert("RGB"))
            mask = (levels > levels.max() / 2).any(axis=-1)
        return oriented(mask, orientation)


def has_two_colours(path: Path) -> bool:
    """Whether an image has no more than two colours, as masks have and photographs have not.

    Raises:
        ImageReadError: as for `read_image`.
    """
    pixels = read_image(path).astype(np.uint64)
    return len(np.unique(pixels[..., 0] << 32 | pixels[..., 1] << 16 | pixels[..., 2])) <= 2


def read_size(path: Path) -> tuple[int, int]:
    """Reads the size `(H, W)` of an image from its header alone, as `read_image` would return it.

    Raises:
        ImageReadError: the file is missing, empty, of another format, or its header is damaged.
    """
    with _opened(path, max_pixels=None) as image:
        width, height = image.size
        return (width, height) if orientation_of(image) in (5, 6, 7, 8) else (height, width)


def count_pages(path: Path) -> int:
    """How many pages or frames an image file has, of which `read_image` reads the first.

    Raises:
        ImageReadError: the file is missing, empty, of another format, or its header is damaged.
    """
    with _opened(path, max_pixels=None) as image:
        return int(getattr(image, "n_frames", 1))


def load_image(sample: Sample, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Image:
    """The image of a sample, read from its file or taken from its pixels.

    Returns:
        `(H, W, 3)`, uint8 or uint16. It may share memory with the sample: copy it before writing to it.

    Raises:
        ImageReadError: the file cannot be read.
        InputError: the sample holds pixels that are not an image.
    """
    if isinstance(sample.image, Path):
        return read_image(sample.image, max_pixels=max_pixels)
    return image_from_array(sample.image, name=sample.name)


def load_mask(sample: Sample, size: tuple[int, int]) -> Mask | None:
    """The ground truth of a sample.

    Args:
        sample: the sample.
        size: `(H, W)` of its image.

    Returns:
        `(H, W)` bool; all false for a normal sample without a mask; None where the truth is not known.

    Raises:
        DatasetError: the mask has another size than the image.
        ImageReadError: the mask file cannot be read.
        InputError: the sample holds a mask that is not `(H, W)`.
    """
    if sample.mask is None:
        return np.zeros(size, dtype=np.bool_) if sample.anomalous is False else None
    if isinstance(sample.mask, tuple):
        parts = [load_mask(replace(sample, mask=part), size) for part in sample.mask]
        marked: Mask = np.logical_or.reduce([part for part in parts if part is not None])
        return marked
    if isinstance(sample.mask, Path):
        got = read_size(sample.mask)
    elif sample.mask.ndim == 2:
        got = (sample.mask.shape[0], sample.mask.shape[1])
    else:
        raise InputError(f"{sample.name}: got a mask of shape {sample.mask.shape}, expected (H, W)")
    if got != size:
        image = sample.image if isinstance(sample.image, Path) else sample.name
        mask = sample.mask if isinstance(sample.mask, Path) else "its mask"
        raise DatasetError(
            f"{image} is {size[0]} x {size[1]} (H x W) but {mask} is {got[0]} x {got[1]}; "
            "a mask must have the size of its image"
        )
    if isinstance(sample.mask, Path):
        return read_mask(sample.mask, max_pixels=size[0] * size[1])
    return sample.mask.astype(np.bool_, copy=False)


@contextmanager
def _opened(path: Path | str, *, max_pixels: int | None, content: bytes | None = None) -> Iterator[PIL.Image.Image]:
    """Opens the header; whatever then goes wrong in the block is an `ImageReadError` that names the file.

    With its content at hand nothing is looked up: the path is but a name.
    """
    try:
        if content is None:
            _check_file(Path(path))
        elif not content:
            raise ImageReadError(f"{path}: got no bytes, expected an image file")
        source = path if content is None else BytesIO(content)
        with quiet_pillow(), PIL.Image.open(source, formats=ACCEPTED_FORMATS) as image:
            width, height = image.size
            if max_pixels is not None and width * height > max_pixels:
                raise ImageReadError(
                    f"{path}: {width} x {height} pixels are more than the limit of {max_pixels:,}; "
                    "make it smaller or raise the limit (max_pixels)"
                )
            yield image
    except ImageReadError:
        raise
    except PIL.Image.DecompressionBombError as error:
        raise ImageReadError(f"{path}: refused as too large: {one_line(error)}") from error
    except PIL.UnidentifiedImageError as error:
        what = None if content is not None else not_local(Path(path)) or unread_tiff(Path(path))
        raise ImageReadError(
            f"{path}: {what or 'the content is not a readable image; accepted are ' + ', '.join(ACCEPTED_FORMATS)}"
        ) from error
    except Exception as error:
        # A damaged file can raise anything in Pillow: OSError, SyntaxError, struct.error, MemoryError, ...
        raise ImageReadError(f"{path}: {one_line(error)}") from error


def _check_file(path: Path) -> None:
    if not path.exists():
        raise ImageReadError(not_local(path) or f"{path}: there is no such file")
    if not path.is_file():
        # Opening a pipe or a device would wait for ever.
        raise ImageReadError(f"{path}: not a regular file, expected an image file")
    if path.stat().st_size == 0:
        raise ImageReadError(f"{path}: the file is empty (0 bytes)")
