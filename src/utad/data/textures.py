"""Three photographs of textures, cut in space into train and test parts, with synthetic defects.

The pictures (brick, grass, gravel; 512 x 512, grey, CC0) come with scikit-image.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from utad.data.reading import read_image
from utad.data.synthesis import DEFECTS, MIN_SIDE, add_defect
from utad.errors import DatasetError, InputError
from utad.types import Category, Image, Sample

TEXTURES: tuple[str, ...] = ("brick", "grass", "gravel")

_QUARTERS = ((1, 1), (0, 0), (1, 0), (0, 1))
"""The quarters that test crops are cut from, seed by seed: whether it is a lower one, and one on the right."""

_STEPS = 4
"""Steps of the lattice of test crops to the side of a crop: two of them share three quarters at the most."""


def open_texture(
    name: str,
    *,
    seed: int,
    size: int = 128,
    n_train: int = 240,
    n_normal: int = 25,
    n_anomalous: int = 75,
) -> Category:
    """Cuts one photograph into square crops.

    Test crops come from one quarter of the picture, another one with each of four seeds, training crops from all the
    rest: no pixel is in both. Test crops lie on a lattice, each position taken once before any is taken again; training
    crops lie at random and are sorted by position, so that neighbours in the sequence are neighbours in the picture.
    The kinds of defects take turns, with strengths in [0.8, 1]; foreign texture comes from the same quarter of one of
    the other two pictures.

    Args:
        name: `brick`, `grass` or `gravel`.
        seed: chooses the quarter, and draws positions and defects.
        size: side of a crop in pixels, 32 to 256.
        n_train: number of normal training crops.
        n_normal: number of normal test crops.
        n_anomalous: number of anomalous test crops.

    Returns:
        Images `(size, size, 3)` uint8; anomalous ones with exact masks and the kind of defect.

    Raises:
        InputError: no such texture, or a size or number out of range.
        DatasetError: the pictures are not in the installed scikit-image.
    """
    if name not in TEXTURES:
        raise InputError(f"got texture {name!r}, expected one of {', '.join(TEXTURES)}")
    if n_train < 1 or min(n_normal, n_anomalous) < 0:
        raise InputError(
            f"got {n_train} training, {n_normal} normal and {n_anomalous} anomalous crops; expected at least 1, 0 and 0"
        )
    picture = _photograph(name)
    half = min(picture.shape[:2]) // 2
    if not MIN_SIDE <= size <= half:
        raise InputError(f"got crops of {size} pixels, expected {MIN_SIDE} to {half}")
    lower, right = _QUARTERS[seed % len(_QUARTERS)]
    top, left = lower * half, right * half
    quarter = (slice(top, top + half), slice(left, left + half))
    # One source of randomness for each part: the number of training crops does not change the test.
    for_train, for_normal, for_anomalous = np.random.default_rng(seed).spawn(3)
    train = _normal(_around(picture, half, (top, left), size, n_train, for_train), "train/good")
    normal = _normal(_on_lattice(picture[quarter], size, n_normal, for_normal), "test/good")
    foreign = [_photograph(other)[quarter] for other in TEXTURES if other != name]
    anomalous = _anomalous(_on_lattice(picture[quarter], size, n_anomalous, for_anomalous), foreign, for_anomalous)
    return Category(name, train, (*normal, *anomalous))


def _around(
    picture: Image, half: int, quarter: tuple[int, int], size: int, count: int, rng: np.random.Generator
) -> list[Image]:
    """Square crops at random that do not reach into the quarter, whose upper left corner is given."""
    tops, lefts = np.mgrid[: 2 * half - size + 1, : 2 * half - size + 1].reshape(2, -1)
    above, beside = (
        (starts + size <= first) | (starts >= first + half)
        for starts, first in zip((tops, lefts), quarter, strict=True)
    )
    tops, lefts = tops[above | beside], lefts[above | beside]
    chosen = rng.integers(len(tops), size=count)
    # All the way round the quarter, from one of its neighbours to the other.
    diagonal = (quarter[0] > 0) == (quarter[1] > 0)
    along = lefts[chosen] - tops[chosen] if diagonal else lefts[chosen] + tops[chosen]
    chosen = chosen[np.argsort(along, kind="stable")]
    return [picture[tops[i] : tops[i] + size, lefts[i] : lefts[i] + size].copy() for i in chosen]


def _on_lattice(part: Image, size: int, count: int, rng: np.random.Generator) -> list[Image]:
    """Square crops on a lattice, its positions in a random order and all of them again if there are too few."""
    starts = np.arange(0, part.shape[0] - size + 1, max(1, size // _STEPS))
    positions = rng.permutation(np.stack(np.meshgrid(starts, starts), axis=-1).reshape(-1, 2))
    repeated = np.resize(positions, (count, 2))
    return [part[top : top + size, left : left + size].copy() for top, left in repeated]


def _normal(crops: list[Image], folder: str) -> tuple[Sample, ...]:
    return tuple(
        Sample(f"{folder}/{index:04d}", crop, anomalous=False, defect="good") for index, crop in enumerate(crops)
    )


def _anomalous(crops: list[Image], foreign: list[Image], rng: np.random.Generator) -> tuple[Sample, ...]:
    kinds = tuple(DEFECTS)
    samples = []
    for index, crop in enumerate(crops):
        defect = add_defect(
            crop,
            kinds[index % len(kinds)],
            rng=rng,
            strength=rng.uniform(0.8, 1.0),
            foreign=foreign[int(rng.integers(len(foreign)))],
        )
        samples.append(
            Sample(
                f"test/{defect.kind}/{index:04d}",
                defect.image,
                anomalous=True,
                defect=defect.kind,
                mask=defect.mask,
            )
        )
    return tuple(samples)


def _photograph(name: str) -> Image:
    # The file itself: skimage.data would first look for it on the internet.
    spec = find_spec("skimage")
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    path = Path(folders[0]) / "data" / f"{name}.png" if folders else Path(f"{name}.png")
    if not path.is_file():
        raise DatasetError(f"{path} is missing; reinstall scikit-image: pip install --force-reinstall scikit-image")
    return read_image(path)
