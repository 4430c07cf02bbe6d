from __future__ import annotations

import numpy as np
import pytest

from tests import fabricate
from utad.data.image_files import list_images
from utad.data.pairing import Problems, pair_masks
from utad.errors import DatasetError


def pair(tmp_path, images: list[str], masks: list[str], *, complete: bool = True, mask_size=(40, 48)):
    for name in images:
        fabricate.save(tmp_path / "images" / name, fabricate.picture())
    for name in masks:
        fabricate.save(tmp_path / "masks" / name, fabricate.square_mask(*mask_size))
    problems = Problems()
    pairs = pair_all(tmp_path, problems, with_masks=bool(masks), complete=complete)
    below = {
        image.relative_to(tmp_path / "images").as_posix(): mask.relative_to(tmp_path / "masks").as_posix()
        for image, mask in pairs.items()
    }
    return below, problems.found


def pair_all(tmp_path, problems: Problems, *, with_masks: bool = True, complete: bool = True):
    return pair_masks(
        list_images(tmp_path / "images"),
        list_images(tmp_path / "masks") if with_masks else (),
        image_folder=tmp_path / "images",
        mask_folder=tmp_path / "masks",
        complete=complete,
        problems=problems,
    )


def test_stems_match_whole(tmp_path):
    images = ["1.png", "10.png", "100.png", "01.png"]
    pairs, found = pair(tmp_path, images, ["10_mask.png", "100_mask.png", "1_mask.png", "01_mask.png"])
    assert pairs == {name: name.replace(".png", "_mask.png") for name in images}
    assert found == []


def test_a_mask_of_10_is_none_of_1(tmp_path):
    pairs, found = pair(tmp_path, ["1.png"], ["10_mask.png"])
    assert pairs == {}
    assert len(found) == 2
    assert "10_mask.png is a mask without an image" in found[0]
    assert "1.png has no mask" in found[1]


def test_masks_may_have_the_plain_name_and_another_format(tmp_path):
    pairs, found = pair(tmp_path, ["a.jpg", "b.jpg"], ["a.png", "b_mask.bmp"])
    assert pairs == {"a.jpg": "a.png", "b.jpg": "b_mask.bmp"}
    assert found == []


def test_two_masks_for_one_image(tmp_path):
    pairs, found = pair(tmp_path, ["a.png"], ["a.png", "a_mask.png"])
    assert pairs == {}
    assert len(found) == 1
    assert all(str(tmp_path / part) in found[0] for part in ("images/a.png", "masks/a.png", "masks/a_mask.png"))


def test_two_images_of_one_name(tmp_path):
    _, found = pair(tmp_path, ["a.png", "a.jpg"], ["a_mask.png"])
    assert len(found) == 1
    assert str(tmp_path / "images" / "a.png") in found[0]
    assert str(tmp_path / "images" / "a.jpg") in found[0]


def test_missing_masks_matter_only_beside_others(tmp_path):
    assert pair(tmp_path / "none", ["a.png", "b.png"], []) == ({}, [])
    _, found = pair(tmp_path / "some", ["a.png", "b.png", "c.png"], ["b_mask.png"])
    assert [line.split()[0].rsplit("/", 1)[1] for line in found] == ["a.png", "c.png"]
    pairs, found = pair(tmp_path / "good", ["a.png", "b.png"], ["b_mask.png"], complete=False)
    assert (pairs, found) == ({"b.png": "b_mask.png"}, [])


def test_sizes_must_agree(tmp_path):
    _, found = pair(tmp_path, ["a.png"], ["a_mask.png"], mask_size=(48, 40))
    assert len(found) == 1
    assert "48 x 40 (H x W)" in found[0]
    assert "40 x 48" in found[0]


def test_damaged_masks_are_found_and_damaged_images_left_to_reading(tmp_path):
    for name in ("a.png", "b.png"):
        fabricate.save(tmp_path / "images" / name, fabricate.picture())
        fabricate.save(tmp_path / "masks" / name, fabricate.square_mask())
    (tmp_path / "masks" / "a.png").write_bytes(b"")
    (tmp_path / "images" / "b.png").write_bytes(b"")
    problems = Problems()
    pairs = pair_all(tmp_path, problems)
    assert len(problems.found) == 1
    assert str(tmp_path / "masks" / "a.png") in problems.found[0]
    assert len(pairs) == 2


def test_subfolders_belong_to_the_name(tmp_path):
    pairs, found = pair(tmp_path, ["x/1.png", "y/1.png"], ["x/1_mask.png", "y/1_mask.png"])
    assert pairs == {"x/1.png": "x/1_mask.png", "y/1.png": "y/1_mask.png"}
    assert found == []
    # The same name in another subfolder is another one.
    pairs, found = pair(tmp_path / "mixed", ["x/1.png"], ["y/1_mask.png"], complete=False)
    assert pairs == {}
    assert len(found) == 1


def test_all_problems_come_in_one_error(tmp_path):
    problems = Problems(["first", "second"])
    with pytest.raises(DatasetError, match="2 inconsistencies: first; second"):
        problems.raise_if_any(tmp_path)
    Problems().raise_if_any(tmp_path)


def test_empty_masks_are_masks(tmp_path):
    fabricate.save(tmp_path / "masks" / "a.png", np.zeros((40, 48), np.uint8))
    pairs, found = pair(tmp_path, ["a.png"], ["b.png"])
    assert pairs == {"a.png": "a.png"}
    assert len(found) == 1


def test_masks_that_are_jpeg_are_warned_of_once(tmp_path, caplog):
    pair(tmp_path, ["a.png", "b.png"], ["a.jpg", "b_mask.JPG"])
    assert caplog.text.count("2 masks in") == 1
    assert "JPEG, which leaves grey edges" in caplog.text
