"""ELPV: 2,624 electroluminescence images of solar cells, 300 x 300, graded by experts.

Source: C. Buerhop-Lutz et al., A Benchmark for Visual Identification of Defective Solar Cells in
Electroluminescence Imagery, EU PVSEC 2018; CC BY-NC-SA 4.0, in the package `elpv-dataset`.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np

from utad.data.image_files import inside
from utad.errors import DatasetError, InputError, MissingDependencyError
from utad.types import Category, Sample

_TRAIN_SHARE = 0.75


def open_elpv(
    kind: Literal["mono", "poly"], *, seed: int, uncertain: bool = False, root: Path | None = None
) -> Category:
    """Opens the cells of one kind of silicon.

    Cells that the experts gave a probability of 0 to be defective are normal, those with 1 are anomalous. Of
    the normal ones 75 % train, drawn by `seed`; the others and all anomalous ones test. Every part is in the
    order of the file, in which neighbours often come from one module.

    Args:
        kind: `mono` or `poly`.
        seed: draws the training images.
        uncertain: also test on the cells graded in between (1/3 and 2/3), counted as anomalous.
        root: the folder with `labels.csv` and `images`; None for the installed package.

    Raises:
        MissingDependencyError: `elpv-dataset` is not installed and no root is given.
        DatasetError: the table is missing, damaged or points outside its folder.
        InputError: `kind` is something else.
    """
    if kind not in ("mono", "poly"):
        raise InputError(f"got ELPV kind {kind!r}, expected mono or poly")
    folder = root if root is not None else _installed()
    normal: list[Sample] = []
    anomalous: list[Sample] = []
    for name, probability, cell in _rows(folder / "labels.csv"):
        if cell != kind:
            continue
        path = inside(folder, name, source=folder / "labels.csv")
        if probability == 0:
            normal.append(Sample(name, path, anomalous=False, defect="good"))
        elif probability == 1 or uncertain:
            defect = "defective" if probability == 1 else "uncertain"
            anomalous.append(Sample(name, path, anomalous=True, defect=defect))
    if len(normal) < 2:
        raise DatasetError(f"{folder / 'labels.csv'}: got {len(normal)} normal {kind} cells, expected at least 2")
    order = np.random.default_rng(seed).permutation(len(normal))
    chosen = set(order[: round(_TRAIN_SHARE * len(normal))].tolist())
    train = tuple(sample for index, sample in enumerate(normal) if index in chosen)
    held_out = tuple(sample for index, sample in enumerate(normal) if index not in chosen)
    return Category(f"elpv-{kind}", train, (*held_out, *anomalous))


def _installed() -> Path:
    # Found, not imported: importing the package may read what is not needed here.
    spec = find_spec("elpv_dataset")
    if spec is None or not spec.submodule_search_locations:
        raise MissingDependencyError(
            "ELPV is in the package elpv-dataset, which is not installed: pip install 'utad[bench]'"
        )
    return Path(next(iter(spec.submodule_search_locations))) / "data"


def _rows(table: Path) -> list[tuple[str, float, str]]:
    """File name, probability and kind of every line."""
    try:
        lines = table.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{table}: cannot read the labels of ELPV: {error}") from error
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            name, probability, kind = line.split()
            rows.append((name, float(probability), kind))
        except ValueError as error:
            raise DatasetError(
                f"{table}, line {number}: got {line!r}, expected a file, a probability and mono or poly"
            ) from error
    return rows
