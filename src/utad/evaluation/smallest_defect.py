"""The smallest defect that a detector finds: recall by size and contrast of defects planted in normal images."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from utad.data.even_choice import evenly_chosen
from utad.data.planted_defects import ELONGATION, SHAPES, Shape, plant_defect
from utad.data.reading import DEFAULT_MAX_PIXELS, load_image
from utad.data.region_of_interest import RegionOfInterest
from utad.errors import ConfigError, DataError, InputError, checked
from utad.predictor import Predictor
from utad.progress import Progress
from utad.types import Mask, Sample

CONTRASTS = (0.1, 0.25, 0.5)
"""By default: a difference that is seen when one looks for it, a clear one, and half of black to white."""

IMAGES = 20
"""Normal images by default, each of which has every defect once."""

FOUND = 0.9
"""Recall from which on a size counts as found."""

_Kind = tuple[Shape, float, float]

_SIDES: dict[Shape, tuple[float, ...]] = {
    "spot": (0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2),
    "line": (0.003, 0.006, 0.01, 0.02, 0.04),
}
"""Default sizes as parts of the shorter side of an image."""


@dataclass(frozen=True)
class Recall:
    """How often one kind of defect is found.

    Attributes:
        shape: of the defect, one of `SHAPES`.
        size: diameter or width, in pixels of the input.
        contrast: part of the full range.
        n_found: images called anomalous whose mask touches the defect.
        n_images: that had it.
    """

    shape: Shape
    size: float
    contrast: float
    n_found: int
    n_images: int

    @property
    def recall(self) -> float:
        """In [0, 1]."""
        return self.n_found / self.n_images


@dataclass(frozen=True)
class SmallestDefect:
    """What a detector finds.

    Attributes:
        recalls: of each shape, size and contrast.
        image_size: height and width of the images, in pixels.
        n_images: normal images that the defects were put into.
        n_flagged: of these, called anomalous as they are.
    """

    recalls: tuple[Recall, ...]
    image_size: tuple[int, int]
    n_images: int
    n_flagged: int

    def smallest(self, shape: Shape, contrast: float) -> float | None:
        """The size from which on every larger one that was tried is found in at least 9 of 10 images, or None."""
        found = None
        tried = [one for one in self.recalls if one.shape == shape and one.contrast == contrast]
        for one in sorted(tried, key=lambda one: one.size, reverse=True):
            if one.recall < FOUND:
                break
            found = one.size
        return found

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        pairs = dict.fromkeys((one.shape, one.contrast) for one in self.recalls)
        return {
            "image_size": list(self.image_size),
            "n_images": self.n_images,
            "n_flagged": self.n_flagged,
            "recalls": [asdict(one) | {"recall": one.recall} for one in self.recalls],
            "smallest": [
                {"shape": shape, "contrast": contrast, "size": self.smallest(shape, contrast)}
                for shape, contrast in pairs
            ],
        }


def measure_smallest_defect(
    detector: Predictor,
    normal: Sequence[Sample],
    *,
    sizes: Sequence[float] = (),
    contrasts: Sequence[float] = CONTRASTS,
    n_images: int = IMAGES,
    seed: int = 0,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    progress: bool = False,
) -> SmallestDefect:
    """Puts defects into normal images, and counts which are found at the detector's threshold.

    Args:
        detector: fitted.
        normal: images without a defect, best such as it was not trained on.
        sizes: diameters of spots and widths of lines in pixels of the input; those that fit, from about 1 to 20 % of
            the shorter side, or of that of a tile of the model, where none are given.
        contrasts: in (0, 1], parts of the full range.
        n_images: of them that are used, evenly from all; each has every defect once.
        seed: of places and directions.
        max_pixels: of an image; larger ones are refused.
        progress: show a bar on the terminal.

    Raises:
        ConfigError: if there is no contrast, or `n_images` is below 1.
        DataError: if there are no images.
        ImageReadError: naming the file that cannot be read.
        InputError: if none of the sizes fits into the images, or an argument is out of range.
    """
    if n_images < 1 or not contrasts:
        raise ConfigError(f"got {n_images} images and {len(contrasts)} contrasts, expected at least 1 of each")
    if not normal:
        raise DataError("got no normal images to plant defects in")
    chosen = evenly_chosen(normal, n_images)
    size = load_image(chosen[0], max_pixels=max_pixels).shape[:2]
    seen = min(size) if detector.tiling is None else min(*size, detector.tiling.side)
    plan = [
        (shape, side, contrast)
        for shape in SHAPES
        for side in (_sizes(shape, size, sizes) if sizes else _default_sizes(shape, seen))
        for contrast in contrasts
    ]
    n_found = dict.fromkeys(plan, 0)
    n_flagged = 0
    waiting: deque[tuple[_Kind, Mask] | None] = deque()
    samples = _planted(chosen, plan, seed, max_pixels, detector.region, waiting)
    with Progress("planting defects", len(chosen) * (len(plan) + 1), unit="image", bar=progress) as shown:
        for _, outcome in detector.predict_samples(samples):
            prediction, defect = checked(outcome), waiting.popleft()
            if defect is None:
                n_flagged += prediction.pred_label
            else:
                kind, mask = defect
                n_found[kind] += bool(prediction.pred_label and (prediction.pred_mask & mask).any())
            shown.advance(1)
    recalls = tuple(Recall(*kind, found, len(chosen)) for kind, found in n_found.items())
    return SmallestDefect(recalls, (size[0], size[1]), len(chosen), n_flagged)


def _planted(
    samples: Sequence[Sample],
    plan: Sequence[_Kind],
    seed: int,
    max_pixels: int,
    region: RegionOfInterest | None,
    waiting: deque[tuple[_Kind, Mask] | None],
) -> Iterator[Sample]:
    """Every image as it is, then with every defect; what each holds is added to `waiting` when it is taken."""
    for index, sample in enumerate(samples):
        image = load_image(sample, max_pixels=max_pixels)
        inside = region.inside(image.shape[:2]) if region is not None else None
        waiting.append(None)
        yield Sample(sample.name, image)
        for kind in plan:
            shape, size, contrast = kind
            # Place and direction are those of the image and the shape.
            rng = np.random.default_rng((seed, index, SHAPES.index(shape)))
            planted = plant_defect(image, shape, size, contrast, rng=rng, inside=inside)
            waiting.append((kind, planted.mask))
            yield Sample(f"{sample.name} with a {shape} of {size:g} pixels at {contrast:.0%}", planted.image)


def _sizes(shape: Shape, image_size: Sequence[int], given: Sequence[float]) -> list[float]:
    """The sizes given that fit.

    Raises:
        InputError: if none of them does.
    """
    side = min(image_size)
    longest = side - 2
    fitting = [size for size in dict.fromkeys(given) if size * (ELONGATION if shape == "line" else 1) <= longest]
    if not fitting and shape == "spot":
        raise InputError(f"none of the sizes {', '.join(f'{size:g}' for size in given)} fits into {side} pixels")
    return fitting


def _default_sizes(shape: Shape, side: int) -> list[float]:
    """Parts of a side, in whole pixels."""
    return sorted({float(max(1, round(part * side))) for part in _SIDES[shape]})
