"""The layout of those who have normal images alone: every image in the folder and below is normal and trains."""

from __future__ import annotations

from pathlib import Path

from utad.data.image_files import list_images
from utad.data.layouts.layout import Layout, LayoutImages, normal_samples


def _recognise(folder: Path) -> bool:
    return folder.is_dir()


def _read(folder: Path, *, masks: bool) -> LayoutImages:  # noqa: ARG001 - there are none
    return LayoutImages(train=normal_samples(list_images(folder), folder))


# Taken where nothing else is recognised, after what would be trained on has been looked at.
LAYOUT = Layout("flat", "normal images alone, in the folder and below", _recognise, _read, asked_only=True)
