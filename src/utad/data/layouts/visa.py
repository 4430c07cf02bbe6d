"""The layout of VisA: a table `split_csv/1cls.csv` beside one folder per category."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from utad.data.image_files import inside
from utad.data.layouts.layout import GOOD, Layout, LayoutImages
from utad.errors import DatasetError
from utad.types import Sample

_TABLE = Path("split_csv") / "1cls.csv"
_COLUMNS = ("object", "split", "label", "image", "mask")
_LABELS = {"normal": False, "anomaly": True}


def _recognise(folder: Path) -> bool:
    """Whether the table beside a folder names it."""
    return (folder.parent / _TABLE).is_file() and any(row["object"] == folder.name for _, row in _rows(folder.parent))


def _read(folder: Path, *, masks: bool) -> LayoutImages:
    """The images as the table splits them, named as it names them.

    Raises:
        DatasetError: the table is damaged, names files that are missing or lie outside its root, or puts anomalous
            images into the training split. All of them are named.
    """
    root, category = folder.parent, folder.name
    train: list[Sample] = []
    test: list[Sample] = []
    problems: list[str] = []
    for number, row in _rows(root):
        if row["object"] != category:
            continue
        sample = _sample(root, number, row, problems, masks=masks)
        if sample is None:
            continue
        if row["split"] == "train" and sample.anomalous:
            problems.append(f"line {number}: {row['image']} is anomalous but in the training split")
        (train if row["split"] == "train" else test).append(sample)
    problems += _doubles([*train, *test])
    if problems:
        raise DatasetError(f"{root / _TABLE}: {len(problems)} problem(s): {'; '.join(problems)}")
    return LayoutImages(tuple(train), tuple(test))


def _sample(root: Path, number: int, row: dict[str, str], problems: list[str], *, masks: bool) -> Sample | None:
    if row["split"] not in ("train", "test") or row["label"] not in _LABELS:
        problems.append(
            f"line {number}: got split {row['split']!r} and label {row['label']!r}, "
            "expected train or test and normal or anomaly"
        )
        return None
    anomalous = _LABELS[row["label"]]
    image = inside(root, row["image"], source=root / _TABLE)
    mask = inside(root, row["mask"], source=root / _TABLE) if row["mask"] and masks else None
    for path in (image, mask):
        if path is not None and not path.is_file():
            problems.append(f"line {number}: {path} is missing")
    name = row["image"].replace("\\", "/")
    return Sample(name, image, anomalous, defect="anomaly" if anomalous else GOOD, mask=mask)


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


LAYOUT = Layout("visa", "<category>/Data/Images, split by the table split_csv/1cls.csv beside it", _recognise, _read)
