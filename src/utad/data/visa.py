"""The layout of VisA: a table `split_csv/1cls.csv` beside one folder per category."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from utad.data.image_files import inside, natural_key
from utad.errors import DatasetError
from utad.types import Category, Sample

_TABLE = Path("split_csv") / "1cls.csv"
_COLUMNS = ("object", "split", "label", "image", "mask")
_LABELS = {"normal": False, "anomaly": True}


def is_visa(root: Path) -> bool:
    """Whether a folder is in this layout."""
    return (root / _TABLE).is_file()


def visa_categories(root: Path) -> tuple[str, ...]:
    """The categories that the table names, in natural order.

    Raises:
        DatasetError: the table cannot be read.
    """
    return tuple(sorted({row["object"] for _, row in _rows(root)}, key=natural_key))


def open_visa(root: Path, *, category: str | None = None) -> Category:
    """Opens one category as the table splits it.

    Args:
        root: the folder that holds `split_csv`.
        category: which one; may be left out where there is only one.

    Raises:
        DatasetError: no such category; the table is damaged, names files that are missing or lie outside
            `root`, or puts anomalous images into the training split. All of them are named.
    """
    found = visa_categories(root)
    if category is None and len(found) == 1:
        category = found[0]
    if category not in found:
        got = "holds several categories" if category is None else f"has no category {category!r}"
        raise DatasetError(f"{root} {got}: name one of {', '.join(found)}")
    train: list[Sample] = []
    test: list[Sample] = []
    problems: list[str] = []
    for number, row in _rows(root):
        if row["object"] != category:
            continue
        sample = _sample(root, number, row, problems)
        if sample is None:
            continue
        if row["split"] == "train" and sample.anomalous:
            problems.append(f"line {number}: {row['image']} is anomalous but in the training split")
        (train if row["split"] == "train" else test).append(sample)
    _raise_if_any(root, [*problems, *_doubles([*train, *test])])
    if not train:
        raise DatasetError(f"{root / _TABLE}: {category} has no training images")
    return Category(category, tuple(train), tuple(test))


def _sample(root: Path, number: int, row: dict[str, str], problems: list[str]) -> Sample | None:
    if row["split"] not in ("train", "test") or row["label"] not in _LABELS:
        problems.append(
            f"line {number}: got split {row['split']!r} and label {row['label']!r}, "
            "expected train or test and normal or anomaly"
        )
        return None
    anomalous = _LABELS[row["label"]]
    image = inside(root, row["image"], source=root / _TABLE)
    mask = inside(root, row["mask"], source=root / _TABLE) if row["mask"] else None
    for path in (image, mask):
        if path is not None and not path.is_file():
            problems.append(f"line {number}: {path} is missing")
    name = row["image"].replace("\\", "/")
    return Sample(name, image, anomalous, defect="anomaly" if anomalous else "good", mask=mask)


def _rows(root: Path) -> list[tuple[int, dict[str, str]]]:
    """The rows of the table with their line numbers; every column is a string without spaces around it."""
    table = root / _TABLE
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = [column for column in _COLUMNS if column not in (reader.fieldnames or ())]
            if missing:
                raise DatasetError(f"{table}: no column {', '.join(missing)}; expected {','.join(_COLUMNS)}")
            return [
                (number, {column: (row[column] or "").strip() for column in _COLUMNS})
                for number, row in enumerate(reader, start=2)
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{table}: cannot read this table: {error}") from error


def _doubles(samples: Sequence[Sample]) -> list[str]:
    seen: set[str] = set()
    doubles = []
    for sample in samples:
        if sample.name in seen:
            doubles.append(f"{sample.name} is listed twice")
        seen.add(sample.name)
    return doubles


def _raise_if_any(root: Path, problems: Sequence[str]) -> None:
    if problems:
        raise DatasetError(f"{root / _TABLE}: {len(problems)} problem(s): {'; '.join(problems)}")
