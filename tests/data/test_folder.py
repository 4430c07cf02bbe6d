from __future__ import annotations

import pytest

from tests import fabricate
from utad.data.folder import folder_categories, open_folder
from utad.data.reading import load_image
from utad.errors import DatasetError


def names(samples) -> list[str]:
    return [sample.name for sample in samples]


def test_a_flat_folder_trains_and_tests_nothing(tmp_path):
    category = open_folder(fabricate.photos(tmp_path / "parts"))
    assert category.name == "parts"
    assert names(category.train) == ["1.png", "2.JPG", "10.jpeg", "grey 16.png", "näher/übung.bmp"]
    assert all(sample.anomalous is False for sample in category.train)
    assert category.test == ()
    assert [load_image(sample).shape[:2] for sample in category.train][:2] == [(30, 50), (64, 40)]


def test_normal_and_abnormal_are_split_in_one_run(tmp_path):
    root = fabricate.normal_abnormal(tmp_path, n_normal=20)
    category = open_folder(root, seed=0)
    normal = [sample for sample in category.test if not sample.anomalous]
    assert len(category.train) == 16
    assert len(normal) == 4
    numbers = [int(sample.name.removeprefix("normal/").removesuffix(".png")) for sample in normal]
    assert numbers == list(range(numbers[0], numbers[0] + 4))
    assert sorted(names(category.train) + names(normal)) == sorted(f"normal/{i}.png" for i in range(1, 21))
    assert names(category.test)[4:] == ["abnormal/1.png", "abnormal/2.png", "abnormal/3.png"]
    assert all(sample.mask is not None for sample in category.test[4:])


def test_the_split_follows_the_seed(tmp_path):
    root = fabricate.normal_abnormal(tmp_path, n_normal=30)
    assert names(open_folder(root, seed=0).test) == names(open_folder(root, seed=0).test)
    assert len({tuple(names(open_folder(root, seed=seed).test)) for seed in range(8)}) > 2


def test_normal_alone_trains_whole(tmp_path):
    category = open_folder(fabricate.normal_abnormal(tmp_path, n_normal=5, n_abnormal=0))
    assert len(category.train) == 5
    assert category.test == ()


def test_subfolders_of_abnormal_name_the_defect(tmp_path):
    fabricate.normal_abnormal(tmp_path, n_abnormal=0)
    for kind in ("dent", "crack"):
        fabricate.save(tmp_path / "anomalous" / kind / "1.png", fabricate.defective())
        fabricate.save(tmp_path / "masks" / kind / "1_mask.png", fabricate.square_mask())
    category = open_folder(tmp_path)
    anomalous = [sample for sample in category.test if sample.anomalous]
    assert [(sample.name, sample.defect) for sample in anomalous] == [
        ("anomalous/crack/1.png", "crack"),
        ("anomalous/dent/1.png", "dent"),
    ]
    assert [sample.mask.parent.name for sample in anomalous] == ["crack", "dent"]


def test_masks_of_abnormal_images_pair_by_whole_names(tmp_path):
    root = fabricate.normal_abnormal(tmp_path, n_abnormal=11)
    for sample in open_folder(root).test:
        if sample.anomalous:
            assert sample.mask.stem == sample.image.stem
    (root / "masks" / "1.png").unlink()
    fabricate.save(root / "masks" / "12_mask.png", fabricate.square_mask())
    with pytest.raises(DatasetError) as caught:
        open_folder(root)
    assert "2 inconsistencies" in str(caught.value)
    assert str(root / "abnormal" / "1.png") in str(caught.value)
    assert str(root / "masks" / "12_mask.png") in str(caught.value)


def test_mvtec_at_root_below_it_and_one_deeper(tmp_path):
    fabricate.mvtec_category(tmp_path / "data" / "bottle")
    fabricate.mvtec_category(tmp_path / "data" / "cable")
    assert open_folder(tmp_path / "data" / "bottle").name == "bottle"
    assert open_folder(tmp_path / "data", category="cable").name == "cable"
    with pytest.raises(DatasetError, match="bottle, cable"):
        open_folder(tmp_path / "data")
    assert folder_categories(tmp_path / "data") == ("bottle", "cable")
    assert folder_categories(tmp_path / "data" / "cable") == ("cable",)


def test_visa(tmp_path):
    root = fabricate.visa(tmp_path, ("candle", "pcb1"))
    assert open_folder(root, category="pcb1").name == "pcb1"
    assert folder_categories(root) == ("candle", "pcb1")


def test_a_category_is_a_subfolder(tmp_path):
    fabricate.photos(tmp_path / "line 1")
    assert open_folder(tmp_path, category="line 1").name == "line 1"
    with pytest.raises(DatasetError, match="no folder 'line 2'"):
        open_folder(tmp_path, category="line 2")
    for name in ("..", "a/b", "", "../line 1"):
        with pytest.raises(DatasetError, match="expected the name of one folder"):
            open_folder(tmp_path / "line 1", category=name)


@pytest.mark.parametrize("part", ["abnormal", "anomalous", "test", "ground_truth"])
def test_half_a_layout_is_never_taken_for_normal_images(tmp_path, part):
    fabricate.save(tmp_path / part / "1.png", fabricate.defective())
    fabricate.save(tmp_path / "ok" / "1.png", fabricate.picture())
    with pytest.raises(DatasetError, match="neither train/good nor normal"):
        open_folder(tmp_path)


def test_locations_without_images(tmp_path):
    with pytest.raises(DatasetError, match="does not exist"):
        open_folder(tmp_path / "gone")
    with pytest.raises(DatasetError, match="is a file"):
        open_folder(fabricate.save(tmp_path / "a.png", fabricate.picture()))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="no image files"):
        open_folder(tmp_path / "empty")
    with pytest.raises(DatasetError, match="not a folder"):
        folder_categories(tmp_path / "gone")


def test_one_normal_image_cannot_be_split(tmp_path):
    with pytest.raises(DatasetError, match="at least 2"):
        open_folder(fabricate.normal_abnormal(tmp_path, n_normal=1))


def test_both_names_for_abnormal(tmp_path):
    fabricate.normal_abnormal(tmp_path)
    fabricate.save(tmp_path / "anomalous" / "1.png", fabricate.defective())
    with pytest.raises(DatasetError, match="keep one"):
        open_folder(tmp_path)
