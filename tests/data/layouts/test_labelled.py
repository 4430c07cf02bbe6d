from __future__ import annotations

import pytest

from tests import fabricate
from utad.data.folder import open_folder
from utad.errors import DatasetError


def test_masks_may_lie_in_a_folder_named_for_the_anomalous_images(tmp_path):
    fabricate.normal_abnormal(tmp_path, names=("ok", "ko", "ground_truth/ko"))
    assert [sample.mask.parent.name for sample in open_folder(tmp_path).test if sample.anomalous] == ["ko"] * 3


def test_two_folders_of_one_meaning(tmp_path):
    fabricate.normal_abnormal(tmp_path)
    fabricate.save(tmp_path / "OK" / "1.png", fabricate.picture())
    with pytest.raises(DatasetError, match="which mean the same"):
        open_folder(tmp_path)


def test_anomalous_images_beside_loose_ones_are_not_trained_on(tmp_path):
    fabricate.photos(tmp_path)
    fabricate.save(tmp_path / "NG" / "1.png", fabricate.defective())
    with pytest.raises(DatasetError, match="no normal images to train on"):
        open_folder(tmp_path)
    assert len(open_folder(tmp_path, split=False).test) == 1


def test_inconsistent_masks_stop_an_evaluation_and_no_training(tmp_path):
    fabricate.normal_abnormal(tmp_path)
    (tmp_path / "masks" / "1.png").unlink()
    assert len(open_folder(tmp_path, masks=False).train) == 8
    with pytest.raises(
        DatasetError, match=r"1\.png has no mask.*Add the masks that are missing, or move all masks away"
    ):
        open_folder(tmp_path, split=False)
