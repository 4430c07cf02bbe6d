"""The normal images of a training: read, checked for what cannot teach, and known again later."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from utad.config import Config
from utad.data.alignment import Alignment, alignment_of
from utad.data.colour_order import ColourOrder, fit_colour_order
from utad.data.copies import check_copies
from utad.data.loading import LoadedImages, load_images
from utad.data.rasterising import region_of_interest
from utad.data.region_of_interest import RegionOfInterest
from utad.data.tiled_images import TiledImages, load_tiles
from utad.errors import TrainingError
from utad.inputs import Input, normal_samples
from utad.thresholds import warn_if_few
from utad.training_images import fingerprints
from utad.types import Category, Sample

_log = logging.getLogger(__name__)

_LEAST = 4


class TrainingData(NamedTuple):
    """What a detector learns from.

    Attributes:
        loaded: images `(N, C, S, S)` float32 in [0, 1], N at least 4.
        fingerprints: of the files that they were read from.
        colour_order: where they are more red than blue; None where that tells nothing.
        region: what counts of an image; None for all of it.
        tiles: which `loaded` are the tiles of; None where they are images themselves.
        alignment: that the images were brought to; None where they stayed as they lay.
    """

    loaded: LoadedImages
    fingerprints: tuple[str, ...]
    colour_order: ColourOrder | None
    region: RegionOfInterest | None
    tiles: TiledImages | None = None
    alignment: Alignment | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Of the images, be they cut into tiles or not."""
        return self.loaded.names if self.tiles is None else self.tiles.names


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
    samples, settings = normal_samples(data), config.image
    alignment = alignment_of(settings, samples, progress=progress)
    if settings.tile is not None:
        tiles = load_tiles(samples, settings, alignment=alignment, skip_bad=skip_bad, progress=progress)
        of_files, colours = _checked(tiles.overviews, tiles.names, samples, config, None)
        return TrainingData(tiles.tiles, of_files, colours, None, tiles, alignment)
    region = region_of_interest(settings, samples)
    if region is not None:
        _log.info("%.1f %% of each image counts (image.roi, image.ignore)", 100 * region.mask.mean())
    loaded = load_images(
        samples,
        size=settings.size,
        channels=None if settings.channels == "auto" else settings.channels,
        max_pixels=settings.max_pixels,
        region=region,
        alignment=alignment,
        skip_bad=skip_bad,
        progress=progress,
    )
    of_files, colours = _checked(loaded.images, loaded.names, samples, config, region)
    return TrainingData(loaded, of_files, colours, region, alignment=alignment)


def _checked(
    images: Tensor, names: Sequence[str], samples: Sequence[Sample], config: Config, region: RegionOfInterest | None
) -> tuple[tuple[str, ...], ColourOrder | None]:
    """The fingerprints and the colours of whole images `(N, C, S, S)` that are fit to learn from."""
    if len(images) < _LEAST:
        raise TrainingError(f"training needs at least {_LEAST} normal images, got {len(images)}")
    warn_if_few(len(images), config.calibration.image_fpr)
    check_copies(images, names)
    read = set(names)
    of_files = tuple(fingerprints(sample for sample in samples if sample.name in read))
    colours = None
    if images.shape[1] == 3:
        pictures = images.permute(0, 2, 3, 1).numpy()  # (N, S, S, 3)
        colours = fit_colour_order(pictures if region is None else map(region.blackened, pictures))
    return of_files, colours
