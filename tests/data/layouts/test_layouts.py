"""What every layout owes, tried on the true form of each: recognised alone, read whole, normal where it says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests import fabricate
from utad.data.folder import open_folder
from utad.data.layouts import LAYOUTS
from utad.data.reading import load_image, load_mask


def _named(*names: str) -> Callable[[Path], Path]:
    return lambda folder: fabricate.normal_abnormal(folder, names=names)


MADE: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "mvtec": ("mvtec", fabricate.mvtec_category),
    "btad": ("btad", fabricate.btad_category),
    "loco": ("loco", fabricate.loco_category),
    "kolektor-sdd": ("kolektor-sdd", fabricate.kolektor_sdd),
    "kolektor-sdd, one part": ("kolektor-sdd", lambda folder: fabricate.kolektor_sdd(folder, parts=1) / "kos01"),
    "kolektor-sdd2": ("kolektor-sdd2", fabricate.kolektor_sdd2),
    "kolektor-sdd2, train": ("kolektor-sdd2", lambda folder: fabricate.kolektor_sdd2(folder) / "train"),
    "visa": ("visa", lambda folder: fabricate.visa(folder) / "candle"),
    "visa without its table": ("visa-folder", fabricate.visa_folder),
    "normal, abnormal": ("labelled", fabricate.normal_abnormal),
    "good, bad": ("labelled", _named("good", "bad", "mask")),
    "OK, NG": ("labelled", _named("OK", "NG", "ground_truth")),
    "ok, ko": ("labelled", _named("ok", "ko", "gt")),
    "Good, Defects": ("labelled", _named("Good", "Defects", "Masks")),
}


@pytest.mark.parametrize(("layout", "make"), MADE.values(), ids=MADE)
def test_the_true_form_is_recognised_and_no_image_is_mislabelled(tmp_path, layout, make):
    folder = make(tmp_path / "data")
    recognised = [one.name for one in LAYOUTS if not one.asked_only and one.recognise(folder)]
    assert recognised[0] == layout
    category = open_folder(folder)
    assert category.layout == layout
    assert category.train
    for sample in (*category.train, *category.test):
        image = load_image(sample)
        # Fabricated defects are black squares in bright pictures; a JPEG leaves them nearly black.
        assert bool((image[12:18, 14:20] < 40).all()) is sample.anomalous
        mask = load_mask(sample, image.shape[:2])
        assert mask is not None
        assert bool(mask[12:18, 14:20].all()) is sample.anomalous
    names = [sample.name for sample in (*category.train, *category.test)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(("layout", "make"), MADE.values(), ids=MADE)
def test_asking_for_what_is_recognised_changes_nothing(tmp_path, layout, make):
    folder = make(tmp_path / "data")
    assert open_folder(folder, layout=layout) == open_folder(folder)


@pytest.mark.parametrize(("layout", "make"), MADE.values(), ids=MADE)
def test_training_reads_the_same_images_without_masks(tmp_path, layout, make):
    folder = make(tmp_path / "data")
    assert [sample.name for sample in open_folder(folder, masks=False).train] == [
        sample.name for sample in open_folder(folder).train
    ]


def test_every_layout_has_its_own_name_and_is_tried_here():
    names = [layout.name for layout in LAYOUTS]
    assert len(set(names)) == len(names)
    assert set(names) - {"flat", "kinds", "classes"} == {layout for layout, _ in MADE.values()}
