from __future__ import annotations

from tests import fabricate
from utad.data.folder import open_folder


def test_kinds_of_defect_beside_normal_images_are_taken_when_asked_for(tmp_path):
    folder = fabricate.mvtec_category(tmp_path / "bottle") / "test"
    (tmp_path / "bottle" / "ground_truth").rename(folder / "masks")
    category = open_folder(folder, layout="kinds", split=False)
    assert [sample.defect for sample in category.test] == ["good", "good", "broken", "broken", "scratch"]
    assert all(sample.mask is not None for sample in category.test if sample.anomalous)


def test_unasked_they_are_counted_and_not_used(tmp_path):
    folder = fabricate.mvtec_category(tmp_path / "bottle") / "test"
    category = open_folder(folder)
    assert [sample.defect for sample in category.train] == ["good", "good"]
    assert category.left_out == ("3 images that the layout has no place for (broken 2, scratch 1)",)
