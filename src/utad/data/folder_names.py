"""What the names of folders say of the images in them, in the words that data sets and factories use."""

from __future__ import annotations

import re
from collections.abc import Collection

NORMAL_NAMES = ("normal", "good", "ok")
ANOMALOUS_NAMES = (
    *("abnormal", "anomalous", "anomaly", "anomalies", "bad", "ng", "nok", "ko"),
    *("defect", "defects", "defective", "faulty", "reject", "rejects"),
)
MASK_NAMES = ("masks", "mask", "ground_truth", "ground-truth", "groundtruth", "gt", "labels", "label")

_ANOMALOUS_WORDS = frozenset((*ANOMALOUS_NAMES, "rejected", "broken", "fail", "failed", "scrap", "test"))
_MASK_WORDS = frozenset((*MASK_NAMES, "annotation", "annotations"))
SYSTEM_NAMES = frozenset(
    (
        *("@eadir", "#recycle", "@recycle", "@recently-snapshot", "#snapshot", "$recycle.bin"),
        *("__macosx", "system volume information", "lost+found", "thumbnails", "thumbs"),
    )
)
"""Folders, in lower case, in which file servers and systems keep thumbnails, bins and copies."""


def is_one_of(name: str, names: Collection[str]) -> bool:
    """Whether a folder bears one of the names, in capitals or not."""
    return name.casefold() in names


def is_masks(name: str) -> bool:
    """Whether a folder's name says that it holds masks."""
    return _says(name, _MASK_WORDS)


def is_telling(name: str) -> bool:
    """Whether a folder's name says that what is in it should not be learned from: anomalous, for a test, or masks."""
    return _says(name, _ANOMALOUS_WORDS) or is_masks(name)


def _says(name: str, words: Collection[str]) -> bool:
    folded = name.casefold()
    return folded in words or any(part in words for part in re.split(r"[\W_]+", folded))
