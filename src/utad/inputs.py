"""What `fit` and `predict` accept, turned into samples. Tensors are understood without importing torch."""

from __future__ import annotations

import logging
import os
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard, Union

import numpy as np
import PIL.Image

from utad.data.conversion import image_from_array, image_from_pil
from utad.data.folder_names import MASK_NAMES, is_one_of
from utad.data.image_files import survey
from utad.data.local import not_local
from utad.data.pages import later_pages
from utad.data.reading import IMAGE_SUFFIXES
from utad.data.suspicion import look_like_masks
from utad.errors import DatasetError, InputError
from utad.types import Category, Sample

if TYPE_CHECKING:
    import torch

_log = logging.getLogger(__name__)

Input = Union[str, Path, PIL.Image.Image, np.ndarray[Any, Any], "torch.Tensor", Sample]
"""One image: a file, a PIL image, an array `(H, W[, C])` of uint8, uint16 or float in [0, 1], or a tensor
`(C, H, W)` in [0, 1]; the channels are RGB."""


def is_single(inputs: object) -> bool:
    """Whether this is one image rather than several: a folder is several, and so is a 4-dimensional tensor or array."""
    if _is_tensor(inputs) or isinstance(inputs, np.ndarray):
        return inputs.ndim <= 3
    if isinstance(inputs, str | Path):
        return not Path(inputs).is_dir()
    return isinstance(inputs, PIL.Image.Image | Sample)


def iterate_samples(inputs: object) -> Iterator[Sample]:
    """Every image of `inputs` as a sample: one image, a folder of images, a batch, or an iterable of images.

    Raises:
        InputError: naming the position and type of what is not an image.
        DatasetError: if a path does not exist or a folder holds no image.
    """
    if isinstance(inputs, str | Path) and Path(inputs).is_dir():
        yield from collect_images([Path(inputs)]).samples
    elif is_single(inputs):
        yield as_sample(inputs, "image")
    elif isinstance(inputs, Iterable):
        for index, item in enumerate(inputs):
            yield as_sample(item, f"image {index}")
    else:
        raise InputError(
            f"cannot predict {type(inputs).__name__}: give a path, a PIL image, an array, a tensor, or several of them"
        )


@dataclass(frozen=True)
class CollectedImages:
    """Files to score.

    Attributes:
        samples: every image once, named by its path below the folder that holds them all.
        left_out: what else lies in the folders, a line for each reason, with its count.
    """

    samples: list[Sample]
    left_out: tuple[str, ...]


def collect_images(inputs: Iterable[Path]) -> CollectedImages:
    """Every image of the given files and folders; what is left out is logged.

    Raises:
        DatasetError: if a path does not exist, or there is no image.
    """
    given = list(inputs)
    missing = [path for path in given if not path.exists()]
    if missing:
        elsewhere = [text for text in map(not_local, missing) if text is not None]
        there = f"{', '.join(map(str, missing))} does not exist; expected images, or folders of images"
        raise DatasetError("; ".join(elsewhere) or there)
    listings = {path: survey(path) for path in given if path.is_dir()}
    found = [file for path in given for file in (listings[path].images if path in listings else [path])]
    pages = later_pages(found)
    left_out = (*(line for listing in listings.values() for line in listing.lines()), *pages)
    if not found:
        there = f"; there are {', '.join(left_out)}" if left_out else ""
        expected = f"expected files that end in {', '.join(IMAGE_SUFFIXES)}"
        raise DatasetError(f"{', '.join(map(str, given))}: got no image files, {expected}{there}")
    for line in left_out:
        _log.warning("left out: %s", line)
    for path, listing in listings.items():
        _warn_of_masks(path, listing.images)
    if len(given) == 1 and given[0] in listings:
        root, files = given[0], list(dict.fromkeys(found))
    else:
        files = list(dict.fromkeys(_absolute(file) for file in found))
        root = Path(os.path.commonpath([file.parent for file in files]))
    return CollectedImages([Sample(file.relative_to(root).as_posix(), file) for file in files], left_out)


def _warn_of_masks(folder: Path, images: Sequence[Path]) -> None:
    """Says so where masks lie in a folder below that is named for them: to score them is hardly meant."""
    named: dict[Path, list[Path]] = defaultdict(list)
    for path in images:
        below = path.relative_to(folder).parts[:-1]
        first = next((index for index, part in enumerate(below) if is_one_of(part, MASK_NAMES)), None)
        if first is not None:
            named[folder.joinpath(*below[: first + 1])].append(path)
    for masks, found in named.items():
        if look_like_masks(found):
            _log.warning(
                "%d images in %s look like masks, and are scored like the others: name the folders of the images to "
                "leave them out",
                len(found),
                masks,
            )


def _absolute(file: Path) -> Path:
    """The file by a name without `..`, which means another folder where a link comes before it."""
    return Path(os.path.realpath(file.parent), file.name) if ".." in file.parts else file.absolute()


def as_sample(item: object, name: str) -> Sample:
    """One image as a sample.

    Raises:
        InputError: if it is none.
    """
    if isinstance(item, Sample):
        return item
    if isinstance(item, str | Path):
        return Sample(Path(item).as_posix(), Path(item))
    if isinstance(item, PIL.Image.Image):
        return Sample(name, image_from_pil(item))
    if _is_tensor(item):
        if item.ndim != 3 or item.shape[0] not in (1, 3):
            raise InputError(f"{name}: got a tensor of shape {tuple(item.shape)}, expected (C, H, W) with C 1 or 3")
        return Sample(name, image_from_array(item.detach().cpu().permute(1, 2, 0).float().numpy(), name=name))
    if isinstance(item, np.ndarray):
        return Sample(name, image_from_array(item, name=name))
    raise InputError(f"{name}: got {type(item).__name__}, expected a path, a PIL image, an array or a tensor")


def all_normal_samples(
    data: str | Path, *, category: str | None = None, root: Path | None = None, layout: str | None = None
) -> list[Sample]:
    """Every normal image of a folder or data set, whichever side of a split it is on.

    Raises:
        DatasetError: as `open_category` does; or if there is none.
    """
    from utad.data.catalog import open_category

    found = open_category(data, category=category, root=root, layout=layout, split=False, masks=False)
    normal = [sample for sample in (*found.train, *found.test) if sample.anomalous is False]
    if not normal:
        raise DatasetError(f"{data} holds no normal images, of its {len(found.test)} images all are anomalous")
    return normal


def paths_of(samples: Iterable[Sample]) -> list[Path]:
    """The files of images and masks."""
    parts = [(sample.image, *(sample.mask if isinstance(sample.mask, tuple) else (sample.mask,))) for sample in samples]
    return [path for part in parts for path in part if isinstance(path, Path)]


def files_of(data: str | Path | Category | Iterable[Input]) -> list[Path]:
    """What an output folder must lie apart from, as far as it is known before anything is read.

    Raises:
        DatasetError: if a path does not exist.
    """
    if isinstance(data, str | Path):
        from utad.data.catalog import folders_of

        return list(folders_of(data))
    if isinstance(data, Category):
        return paths_of([*data.train, *data.test])
    if isinstance(data, Sequence):
        files = [Path(item) for item in data if isinstance(item, str | Path)]
        return files + paths_of(item for item in data if isinstance(item, Sample))
    return []


def training_category(data: object) -> Category:
    """What to train on: a category, a data set or folder by name, or normal images as they are given, nameless."""
    if isinstance(data, Category):
        return data
    if isinstance(data, str | Path):
        from utad.data.catalog import open_category

        return open_category(data, masks=False)
    return Category("", list(iterate_samples(data)))


def _is_tensor(item: object) -> TypeGuard[torch.Tensor]:
    # Who has a tensor at hand has imported torch; importing it here would take seconds for nothing.
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(item, torch.Tensor)
