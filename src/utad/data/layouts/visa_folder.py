"""One category of VisA without its table: `Data/Images/Normal`, `Data/Images/Anomaly`, `Data/Masks/Anomaly`."""

from __future__ import annotations

from pathlib import Path

from utad.data.image_files import list_images
from utad.data.layouts.labelled import anomalous_samples
from utad.data.layouts.layout import Layout, LayoutImages, normal_samples
from utad.data.pairing import Problems
from utad.types import Sample

_IMAGES, _MASKS = Path("Data") / "Images", Path("Data") / "Masks"


def _recognise(folder: Path) -> bool:
    return (folder / _IMAGES / "Normal").is_dir()


def _read(folder: Path, *, masks: bool) -> LayoutImages:
    problems = Problems()
    anomaly, truth = folder / _IMAGES / "Anomaly", folder / _MASKS
    test: tuple[Sample, ...] = ()
    if anomaly.is_dir():
        test = anomalous_samples(anomaly, folder, masks=truth if masks and truth.is_dir() else None, problems=problems)
    problems.raise_if_any(folder)
    return LayoutImages(test=test, unsplit=normal_samples(list_images(folder / _IMAGES / "Normal"), folder))


LAYOUT = Layout("visa-folder", "Data/Images/Normal, Data/Images/Anomaly, Data/Masks/Anomaly", _recognise, _read)
