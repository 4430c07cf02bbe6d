"""Data of anomalib (extra `anomalib`) read as a category of this package, and a category as a data module there."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from utad.dependencies import extras_named
from utad.errors import DatasetError, InputError
from utad.types import Category, Sample

with extras_named():
    from anomalib import TaskType
    from anomalib.data import AnomalibDataModule, AnomalibDataset
    from anomalib.data.utils import ValSplitMode
    from pandas import DataFrame

HELD_OUT = 0.15
"""Share of the normal training images on which anomalib's models are validated, as UTAD holds back."""


def category_of(datamodule: AnomalibDataModule) -> Category:
    """The images of a data module, as `UTAD.fit`, `evaluate_method` and all else here take them.

    Nothing is downloaded. Augmentations have no part in it. A validation set that is not the test set is left out.

    Args:
        datamodule: of anomalib, whose images are files.

    Raises:
        DatasetError: if it has no normal images to train on.
    """
    if not hasattr(datamodule, "train_data"):
        datamodule.setup()
    train, test = _rows(datamodule, "train_data"), _rows(datamodule, "test_data")
    known = {str(row["image_path"]) for row in (*train, *test)}
    unused = [row for row in _rows(datamodule, "val_data") if str(row["image_path"]) not in known]
    normal = [row for row in train if int(row["label_index"]) == 0]
    if not normal:
        raise DatasetError(f"got {datamodule.name} without a normal training image, expected one at least")
    root = Path(os.path.commonpath([Path(path).parent for path in known]))
    counts = {
        "anomalous images among those to train on": len(train) - len(normal),
        "images to validate on": len(unused),
    }
    return Category(
        datamodule.category or datamodule.name,
        train=tuple(_sample(row, root) for row in normal),
        test=tuple(_sample(row, root) for row in test),
        left_out=tuple(f"{count} {what}" for what, count in counts.items() if count),
    )


def _rows(datamodule: AnomalibDataModule, subset: str) -> list[Mapping[str, Any]]:
    dataset = getattr(datamodule, subset, None)
    return [] if dataset is None else list(dataset.samples.to_dict("records"))


def _sample(row: Mapping[str, Any], root: Path) -> Sample:
    path, mask = Path(row["image_path"]), row.get("mask_path")
    label = int(row.get("label_index", -1))
    return Sample(
        path.relative_to(root).as_posix(),
        path,
        anomalous=None if label < 0 else bool(label),
        defect="good" if label == 0 else str(row.get("label", "")),
        mask=Path(mask) if label > 0 and isinstance(mask, str | Path) and str(mask) else None,
    )


class CategoryData(AnomalibDataModule):  # type: ignore[misc]
    """A category as a data module, split as it is: nothing is drawn from its test images.

    anomalib's models are validated on a share of the normal training images, so that no threshold of theirs comes from
    a test image; they do not train on these.

    Args:
        category: whose images are files, and the masks of its anomalous test images too, one each, or none at all.
        train_batch_size: as for anomalib's own.
        eval_batch_size: the same.
        num_workers: processes that read; 0 for none.
        seed: of the images to validate on.

    Raises:
        InputError: naming an image or a mask that is no file.
    """

    def __init__(
        self,
        category: Category,
        *,
        train_batch_size: int = 32,
        eval_batch_size: int = 32,
        num_workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(
            train_batch_size=train_batch_size,
            eval_batch_size=eval_batch_size,
            num_workers=num_workers,
            val_split_mode=ValSplitMode.FROM_TRAIN,
            val_split_ratio=HELD_OUT,
            seed=seed,
        )
        self.category = category.name
        masked = any(sample.mask is not None for sample in category.test)
        self._frames = [_frame(samples, split, masked=masked) for split, samples in _parts(category).items()]

    def _setup(self, _stage: str | None = None) -> None:
        self.train_data, self.test_data = (CategoryDataset(frame, self.category) for frame in self._frames)

    def _create_test_split(self) -> None:
        """Leaves it as it is; anomalib would draw normal test images from the training where there are none."""


class CategoryDataset(AnomalibDataset):  # type: ignore[misc]
    """One part of a category.

    Args:
        samples: as anomalib's data sets have them.
        category: its name.
    """

    def __init__(self, samples: DataFrame, category: str) -> None:
        super().__init__()
        self.samples = samples
        self.category = category


def _parts(category: Category) -> dict[str, Sequence[Sample]]:
    return {"train": category.train, "test": category.test}


def _frame(samples: Sequence[Sample], split: str, *, masked: bool) -> DataFrame:
    columns = ("image_path", "split", "label", "label_index", "mask_path")
    rows = [
        (str(_file(sample.image, sample)), split, sample.defect, _label(sample), _mask(sample) if masked else "")
        for sample in samples
    ]
    frame = DataFrame(rows, columns=list(columns))
    frame.attrs["task"] = TaskType.SEGMENTATION if masked else TaskType.CLASSIFICATION
    return frame


def _label(sample: Sample) -> int:
    """0 for normal, 1 for anomalous images, -1 where that is not known."""
    return -1 if sample.anomalous is None else int(sample.anomalous)


def _mask(sample: Sample) -> str:
    return str(_file(sample.mask, sample)) if sample.anomalous else ""


def _file(found: object, sample: Sample) -> Path:
    if not isinstance(found, Path):
        raise InputError(
            f"{sample.name}: got {type(found).__name__} for its image or mask, and anomalib reads one file for each: "
            "write it to a file, or leave it out"
        )
    return found
