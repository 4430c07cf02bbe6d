"""The normal images of a training: read, checked for what cannot teach, and known again later."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from utad.config import Config
from utad.data.alignment import alignment_of
from utad.data.colour_order import ColourOrder, fit_colour_order
from utad.data.copies import check_copies
from utad.data.geometry import Geometry
from utad.data.loading import LoadedImages, load_images
from utad.data.rasterising import letterbox_of, region_of_interest
from utad.data.region_of_interest import RegionOfInterest
from utad.data.tiled_images import TiledImages, load_tiles
from utad.errors import TrainingError
from utad.inputs import Input, training_category
from utad.thresholds import warn_if_few
from utad.training_images import fingerprints
from utad.types import Category, Sample

_log = logging.getLogger(__name__)

_LEAST = 4

SQUEEZED = 1.5
"""The longer side of an image over the shorter one from which on it is said that the aspect is not kept."""


class TrainingData(NamedTuple):
    """What a detector learns from.

    Attributes:
        loaded: images `(N, C, S, S)` float32 in [0, 1], N at least 4.
        fingerprints: of the files that they were read from.
        colour_order: where they are more red than blue; None where that tells nothing.
        copies: indices of images that are copies, each with that of the image that it is a copy of.
        category: that the images are of; without a name where they were handed over.
        geometry: how they were brought there; tiles grow no scores yet.
        tiles: which `loaded` are the tiles of; None where they are images themselves.
    """

    loaded: LoadedImages
    fingerprints: tuple[str, ...]
    colour_order: ColourOrder | None
    copies: tuple[tuple[int, int], ...]
    category: Category
    geometry: Geometry
    tiles: TiledImages | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Of the images, be they cut into tiles or not."""
        return self.loaded.names if self.tiles is None else self.tiles.names

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """Height and width of each of them as it was read."""
        return self.loaded.shapes if self.tiles is None else self.tiles.sizes

    @property
    def pictures(self) -> Tensor:
        """What they look like, `(N, C, s, s)` float32 in [0, 1]; small where they are cut into tiles."""
        return self.loaded.images if self.tiles is None else self.tiles.overviews


def load_training_data(
    data: str | Path | Category | Iterable[Input], config: Config, *, skip_bad: bool, progress: bool
) -> TrainingData:
    """Reads normal images as the config brings them to the networks.

    Args:
        data: a folder, the name of a data set, a category, or images.
        config: its sections `image` and `calibration` are used.
        skip_bad: leave damaged images out instead of stopping.
        progress: show a bar.

    Raises:
        ConfigError: if the region of interest does not fit the images.
        DatasetError: naming every damaged image, or if there are none.
        TrainingError: if there are too few, or they are copies of each other.
    """
    category = training_category(data)
    samples, settings = list(category.train), config.image
    alignment = alignment_of(settings, samples, progress=progress)
    region = region_of_interest(settings, samples)
    if region is not None:
        _log.info("%.1f %% of each image counts (image.roi, image.ignore)", 100 * region.mask.mean())
    if settings.tile is not None:
        tiles = load_tiles(samples, settings, alignment=alignment, region=region, skip_bad=skip_bad, progress=progress)
        checked = _checked(tiles.overviews, tiles.names, samples, config, region)
        geometry = Geometry(region=region, tiling=tiles.tiling, alignment=alignment)
        return TrainingData(tiles.tiles, checked.of_files, checked.colours, checked.copies, category, geometry, tiles)
    letterbox = letterbox_of(settings, samples, region)
    geometry = Geometry(region=region, letterbox=letterbox, alignment=alignment)
    loaded = load_images(
        samples,
        size=settings.size,
        channels=None if settings.channels == "auto" else settings.channels,
        max_pixels=settings.max_pixels,
        region=region,
        letterbox=letterbox,
        alignment=alignment,
        skip_bad=skip_bad,
        progress=progress,
    )
    if letterbox is None:
        _say_if_squeezed(loaded.shapes, settings.size)
    checked = _checked(loaded.images, loaded.names, samples, config, geometry.network_region)
    return TrainingData(loaded, checked.of_files, checked.colours, checked.copies, category, geometry)


def _say_if_squeezed(shapes: Sequence[tuple[int, int]], size: int) -> None:
    """Says that long images lose more along one side than along the other when they become squares."""
    height, width = sorted(shapes, key=lambda shape: shape[1] / shape[0])[len(shapes) // 2]
    squeezed = max(height, width) / min(height, width)
    if squeezed >= SQUEEZED:
        _log.warning(
            "images of %d x %d pixels become %d x %d, which squeezes them %.1f times more along their %s: a defect "
            "that is narrow that way is lost first. --set image.letterbox=true pads them, image.tile=auto cuts them",
            *(width, height, size, size, squeezed, "width" if width > height else "height"),
        )


class _Checked(NamedTuple):
    of_files: tuple[str, ...]
    colours: ColourOrder | None
    copies: tuple[tuple[int, int], ...]


def _checked(
    images: Tensor, names: Sequence[str], samples: Sequence[Sample], config: Config, region: RegionOfInterest | None
) -> _Checked:
    """Fingerprints, colours and copies of whole images `(N, C, S, S)` that are fit to learn from."""
    if len(images) < _LEAST:
        raise TrainingError(f"training needs at least {_LEAST} normal images, got {len(images)}")
    warn_if_few(len(images), config.calibration.image_fpr)
    copies = check_copies(images, names)
    read = set(names)
    of_files = tuple(fingerprints(sample for sample in samples if sample.name in read))
    colours = None
    if images.shape[1] == 3:
        pictures = images.permute(0, 2, 3, 1).numpy()  # (N, S, S, 3)
        colours = fit_colour_order(pictures if region is None else map(region.blackened, pictures))
    return _Checked(of_files, colours, copies)
