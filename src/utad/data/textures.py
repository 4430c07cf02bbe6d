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

_TEST_SHARE = 0.5
"""Height and width of the lower right corner, as parts of the picture's, that test crops are cut from."""


def open_texture(
    name: str,
    *,
    seed: int,
    size: int = 128,
    n_train: int = 240,
    n_normal: int = 60,
    n_anomalous: int = 90,
) -> Category:
    """Cuts one photograph into square crops.

    Test crops come from the lower right quarter of the picture, training crops from all the rest: no pixel is
    in both, and illumination and scale, which change from top to bottom and from left to right, are the same in both.
    Within a part crops overlap and are sorted by position, so that neighbours in the sequence are neighbours in the
    picture. The kinds of defects take turns, with strengths in [0.8, 1]; foreign texture comes from the lower
    right quarter of one of the other two pictures.

    Args:
        name: `brick`, `grass` or `gravel`.
        seed: draws positions and defects.
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
    cut = round((1 - _TEST_SHARE) * min(picture.shape[:2]))
    corner = picture[cut:, cut:]
    largest = min(cut, *corner.shape[:2])
    if not MIN_SIDE <= size <= largest:
        raise InputError(f"got crops of {size} pixels, expected {MIN_SIDE} to {largest}")
    # One source of randomness for each part: the number of training crops does not change the test.
    for_train, for_normal, for_anomalous = np.random.default_rng(seed).spawn(3)
    train = _normal(_crops(picture, size, n_train, for_train, spared=cut), "train/good")
    normal = _normal(_crops(corner, size, n_normal, for_normal), "test/good")
    foreign = [_photograph(other)[cut:, cut:] for other in TEXTURES if other != name]
    anomalous = _anomalous(_crops(corner, size, n_anomalous, for_anomalous), foreign, for_anomalous)
    return Category(name, train, (*normal, *anomalous))


def _crops(part: Image, size: int, count: int, rng: np.random.Generator, *, spared: int | None = None) -> list[Image]:
    """Square crops at random; none reaches both below and to the right of `spared`."""
    tops, lefts = np.mgrid[: part.shape[0] - size + 1, : part.shape[1] - size + 1].reshape(2, -1)
    if spared is not None:
        outside = (tops + size <= spared) | (lefts + size <= spared)
        tops, lefts = tops[outside], lefts[outside]
    chosen = rng.integers(len(tops), size=count)
    # From the lower left by the upper left to the upper right, which is the way round the spared corner.
    chosen = chosen[np.argsort(lefts[chosen] - tops[chosen], kind="stable")]
    return [part[tops[i] : tops[i] + size, lefts[i] : lefts[i] + size].copy() for i in chosen]


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
