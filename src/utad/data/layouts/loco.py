"""The layout of MVTec LOCO AD: that of MVTec AD with `validation/good`, and a folder of masks for each image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from utad.data.image_files import list_images, stem_below, subfolders
from utad.data.layouts.layout import Layout, LayoutImages, normal_samples
from utad.data.layouts.split import TRUTH, has_split, read_split
from utad.data.pairing import Problems, check_sizes

_KINDS = ("logical_anomalies", "structural_anomalies")


def _recognise(folder: Path) -> bool:
    return has_split(folder, "good") and (
        (folder / "validation" / "good").is_dir()
        or any((folder / part / kind).is_dir() for part in ("test", TRUTH) for kind in _KINDS)
    )


def _read(folder: Path, *, masks: bool) -> LayoutImages:
    """`validation/good` trains too: it holds normal images that are meant for fitting, and the test is apart."""
    images = read_split(folder, "good", masks=masks, pair=_several_masks_each)
    validation = folder / "validation" / "good"
    further = normal_samples(list_images(validation), folder) if validation.is_dir() else ()
    return replace(images, train=(*images.train, *further))


def _several_masks_each(
    kind: Path, truth: Path, *, complete: bool, problems: Problems
) -> Mapping[Path, tuple[Path, ...]]:
    """The masks of `<stem>.png` are all files in the folder `<stem>`, one for each defect of the image."""
    by_stem = {stem_below(path, kind): path for path in list_images(kind)}
    folders = {part.name: part for part in subfolders(truth)}
    problems.found += [
        f"{part} holds masks of no image in {kind}" for name, part in folders.items() if name not in by_stem
    ]
    if truth.is_dir():
        stray = [mask for mask in list_images(truth) if mask.parent == truth]
        problems.found += [
            f"{mask} lies directly in {truth}, expected it in a folder named for its image" for mask in stray
        ]
    pairs: dict[Path, tuple[Path, ...]] = {}
    for stem, image in by_stem.items():
        found = list_images(folders[stem]) if stem in folders else ()
        for mask in found:
            check_sizes(image, mask, problems)
        if found:
            pairs[image] = found
        elif folders and complete:
            problems.found.append(f"{image} has no mask in {truth}, though others there do")
    return pairs


LAYOUT = Layout(
    "loco",
    "train/good, validation/good, test/<good, logical_anomalies, ...>, ground_truth/<kind>/<stem>/*.png",
    _recognise,
    _read,
)
