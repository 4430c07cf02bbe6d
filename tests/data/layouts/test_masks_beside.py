from __future__ import annotations

import pytest

from tests import fabricate
from utad.data.folder import folder_categories, open_folder
from utad.errors import DatasetError


def test_parts_of_kolektor_sdd_are_one_category(tmp_path):
    root = fabricate.kolektor_sdd(tmp_path / "KolektorSDD", parts=3)
    assert folder_categories(root) == ("KolektorSDD",)
    category = open_folder(root, split=False)
    assert sum(sample.anomalous is False for sample in category.test) == 9
    assert [sample.name for sample in category.test if sample.anomalous] == [f"kos0{i}/Part1.jpg" for i in (1, 2, 3)]


def test_anomalous_training_images_of_kolektor_sdd2_are_left_out_and_counted(tmp_path):
    category = open_folder(fabricate.kolektor_sdd2(tmp_path, n_train=6, n_test=4))
    assert [sample.name for sample in category.train] == [f"train/{10000 + i}.png" for i in (0, 1, 3, 4)]
    assert [sample.anomalous for sample in category.test] == [False, False, False, True]
    assert category.left_out[0] == "2 anomalous images of train, since training takes normal ones alone"


def test_where_all_images_are_left_out_the_error_says_why(tmp_path):
    for index in range(3):
        fabricate.save(tmp_path / "train" / f"{index}.png", fabricate.defective(seed=index))
        fabricate.save(tmp_path / "train" / f"{index}_GT.png", fabricate.square_mask())
    with pytest.raises(DatasetError, match=r"none of the 6 images is taken.*3 anomalous images of train"):
        open_folder(tmp_path)


def test_an_image_of_which_the_mask_tells_nothing_is_not_trained_on(tmp_path):
    root = fabricate.kolektor_sdd(tmp_path / "k", parts=2)
    (root / "kos01" / "Part0_label.bmp").unlink()
    (root / "kos02" / "Part0_label.bmp").write_bytes(b"damaged")
    with pytest.raises(DatasetError, match="2 inconsistencies"):
        open_folder(root)
    category = open_folder(root, masks=False, split=False)
    assert len(category.test) == 6
    assert category.left_out[0].startswith("2 without a mask that can be read")
