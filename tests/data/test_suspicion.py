from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import fabricate
from utad.data.folder import open_folder
from utad.data.folder_names import is_telling
from utad.data.image_files import list_images
from utad.data.suspicion import MASK_ENDINGS, check_normal
from utad.errors import DatasetError

TELLING = ["test", "KO", "ng", "Bad", "defect", "ground_truth", "NG_parts", "masks", "defect-01", "Abnormal"]


@given(st.sampled_from(TELLING), st.lists(st.sampled_from(["line", "2024-01-05", "übung", "a b"]), max_size=2))
@settings(max_examples=20, deadline=None)
def test_a_telling_folder_stops_the_training_however_deep(name, above):
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root)
        image = folder.joinpath("parts", *above, name, "deep", "1.png")
        with pytest.raises(DatasetError) as caught:
            check_normal([folder / "parts" / "2.png", image], folder)
        assert f"1 images in {'/'.join(('parts', *above, name))}" in str(caught.value)


@given(st.lists(st.sampled_from(["line", "2024", "latest", "contest", "goods", "bath", "kong", "Teile"]), max_size=4))
def test_harmless_names_do_not(parts):
    check_normal([Path("root", *parts, "1.png"), Path("root", "2.png")], Path("root"))
    assert not any(map(is_telling, parts))


@pytest.mark.parametrize("ending", [*MASK_ENDINGS, "_GT", "_Label"])
def test_a_mask_beside_its_image_by_name(tmp_path, ending):
    images = [tmp_path / "a.jpg", tmp_path / f"a{ending}.png", tmp_path / "b.jpg"]
    with pytest.raises(DatasetError, match=f"a{ending}.png beside"):
        check_normal(images, tmp_path)
    # Without an image that it would be the mask of, the name alone says nothing.
    check_normal(images[1:], tmp_path)


def test_a_mask_beside_its_image_by_look(tmp_path):
    """As in Magnetic-Tile-Defect: 1.jpg and its mask 1.png."""
    for index in range(3):
        fabricate.save(tmp_path / f"{index}.jpg", fabricate.picture(seed=index))
        fabricate.save(tmp_path / f"{index}.png", fabricate.square_mask() if index else np.zeros((40, 48), np.uint8))
    with pytest.raises(DatasetError, match=r"0\.png, 1\.png, 2\.png beside"):
        open_folder(tmp_path)
    assert len(open_folder(tmp_path, layout="flat").train) == 6


@pytest.mark.parametrize(("masks", "ending"), [("layer 2", ".png"), ("layer 2", "_seg.png"), (".", "_GT.bmp")])
def test_masks_in_a_folder_whose_name_says_nothing(tmp_path, masks, ending):
    for index in range(3):
        fabricate.save(tmp_path / "layer 1" / f"{index}.jpg", fabricate.picture(seed=index))
        fabricate.save(tmp_path / masks / f"{index}{ending}", fabricate.square_mask())
    with pytest.raises(DatasetError, match=f"0{ending}.* which look like their masks"):
        open_folder(tmp_path)


def test_parts_of_two_colours_all_around_are_no_masks(tmp_path):
    for camera in ("left", "right"):
        for index in range(3):
            fabricate.save(tmp_path / camera / f"{index}.png", fabricate.square_mask())
    assert len(open_folder(tmp_path).train) == 6


def test_two_photographs_of_one_name_are_no_mask(tmp_path):
    fabricate.save(tmp_path / "1.jpg", fabricate.picture(seed=1))
    fabricate.save(tmp_path / "1.png", fabricate.picture(seed=2))
    check_normal(list_images(tmp_path), tmp_path)


def test_masks_in_a_folder_of_normal_images(tmp_path):
    root = fabricate.normal_abnormal(tmp_path)
    fabricate.save(root / "normal" / "1_mask.png", fabricate.square_mask())
    with pytest.raises(DatasetError, match=r"normal/1_mask\.png beside"):
        open_folder(root)


@pytest.mark.parametrize("name", ["masks", "NG", "bad", "ground_truth"])
def test_the_folder_that_was_named_is_judged_by_its_own_name_too(tmp_path, name):
    fabricate.save(tmp_path / name / "1.png", fabricate.picture())
    with pytest.raises(DatasetError, match=f"{name}: would take for normal 1 images in a folder of that name"):
        open_folder(tmp_path / name)
    assert len(open_folder(tmp_path / name, layout="flat").train) == 1


def test_the_own_name_of_a_test_part_or_of_a_labelled_folder_says_nothing(tmp_path):
    fabricate.save(tmp_path / "test" / "1.png", fabricate.picture())
    assert len(open_folder(tmp_path / "test").train) == 1
    fabricate.normal_abnormal(tmp_path / "defects")
    assert open_folder(tmp_path / "defects").layout == "labelled"
