from __future__ import annotations

import shutil
from collections import Counter

import pytest

from tests import fabricate
from utad.data.catalog import categories_of, open_category
from utad.data.folder import open_folder
from utad.errors import DatasetError


@pytest.fixture
def root(tmp_path):
    return fabricate.class_folders(tmp_path / "animals")


def opened(root, category=None, **given):
    return open_folder(root, category=category, layout="classes", **given)


def names(samples) -> list[str]:
    return [sample.name for sample in samples]


def test_one_class_trains_and_all_of_the_test_tests(root):
    category = opened(root, "dog")
    assert (category.name, category.layout) == ("dog", "classes")
    assert names(category.train) == [f"train/dog/{index:04d}.jpg" for index in range(4)]
    assert names(category.test) == [f"test/{name}/{i:04d}.jpg" for name in ("dog", "cat", "ship") for i in range(2)]
    assert all(sample.anomalous is False for sample in category.train)
    assert [sample.anomalous for sample in category.test] == [False] * 2 + [True] * 4
    assert Counter(sample.defect for sample in category.test) == {"good": 2, "cat": 2, "ship": 2}
    assert all(sample.mask is None for sample in category.test)


def test_a_test_alone_tests_and_nothing_trains(root):
    assert opened(root, "dog", split=False).train == opened(root, "dog").train
    shutil.rmtree(root / "train")
    assert len(opened(root, "dog", split=False).test) == 6
    with pytest.raises(DatasetError, match="no normal images to train on"):
        opened(root, "dog")


def test_training_needs_no_test(root):
    shutil.rmtree(root / "test")
    category = opened(root, "ship")
    assert len(category.train) == 4
    assert category.test == ()


def test_what_the_other_classes_train_is_counted_and_nothing_else_is_left_out(root, caplog):
    fabricate.save(root / "overview.png", fabricate.picture())
    (root / "test" / "dog" / "a.heic").write_bytes(b"x")
    with caplog.at_level("INFO", "utad"):
        category = opened(root, "cat")
    assert category.left_out == (
        "8 images of other classes in train",
        "1 images that the layout has no place for (. 1)",
        "1 .heic, a format that is not read",
    )
    assert "4 normal to train on; 2 normal and 4 anomalous to test on" in caplog.text
    assert " alone" not in caplog.text


def test_classes_of_one_part_alone_are_said(root, caplog):
    shutil.rmtree(root / "train" / "ship")
    shutil.rmtree(root / "test" / "dog")
    with caplog.at_level("INFO", "utad"):
        category = opened(root, "cat")
    assert names(category.test) == [f"test/{name}/{index:04d}.jpg" for name in ("cat", "ship") for index in range(2)]
    assert "to test on; in test alone: ship; in train alone: dog" in caplog.text


@pytest.mark.parametrize("part", ["train", "test"])
def test_the_normal_class_is_in_both_parts(root, part):
    (root / part / "cat").rename(root / part / "Cat ")
    with pytest.raises(DatasetError, match=rf"{part} has no folder of the normal class 'cat', it has Cat , dog, ship"):
        opened(root, "cat")
    assert len(opened(root, "dog").test) == 6


def test_everything_that_is_wrong_is_named(root):
    fabricate.save(root / "train" / "a.png", fabricate.picture())
    fabricate.save(root / "test" / "b.png", fabricate.picture())
    shutil.rmtree(root / "train" / "cat")
    (root / "train" / "cat").mkdir()
    (root / "test" / "zebra").mkdir()
    (root / "train" / "dog" / "0000.jpg").rename(root / "train" / "dog" / "0000.txt")
    with pytest.raises(DatasetError) as caught:
        opened(root, "cat")
    assert "4 inconsistencies" in str(caught.value)
    for text in (
        f"{root / 'train' / 'a.png'} lies directly in train, expected it in a folder of its class",
        f"{root / 'test' / 'b.png'} lies directly in test",
        f"{root / 'train' / 'cat'} holds no images",
        f"{root / 'test' / 'zebra'} holds no images",
    ):
        assert text in str(caught.value)


def test_an_unknown_or_unnamed_class_lists_those_that_are_there(root, tmp_path):
    with pytest.raises(DatasetError, match="no class 'horse'; there are cat, dog, ship"):
        opened(root, "horse")
    with pytest.raises(DatasetError, match="name the normal one as category, of cat, dog, ship"):
        opened(root)
    with pytest.raises(DatasetError, match="expected the name of one folder"):
        opened(root, "../cat")
    one = fabricate.class_folders(tmp_path / "one", ("cat",))
    assert opened(one).name == "cat"


def test_what_holds_no_classes(tmp_path):
    fabricate.photos(tmp_path / "photos")
    for category in (None, "cat"):
        with pytest.raises(DatasetError, match="not in the layout classes: expected train/<class>"):
            opened(tmp_path / "photos", category)
    with pytest.raises(DatasetError, match="does not exist"):
        opened(tmp_path / "gone", "cat")
    fabricate.class_folders(tmp_path / "sets" / "animals")
    with pytest.raises(DatasetError, match="sets is not in the layout classes"):
        opened(tmp_path / "sets", "animals")
    (tmp_path / "apart" / "train" / "cat").mkdir(parents=True)
    (tmp_path / "apart" / "test" / "dog").mkdir(parents=True)
    with pytest.raises(DatasetError, match="no class in both train and test"):
        categories_of(tmp_path / "apart", layout="classes")


def test_classes_are_asked_for_and_the_error_says_how(root):
    for category in (None, "cat"):
        with pytest.raises(DatasetError, match=r"normal one of cat, dog, ship \(--layout classes --category NAME"):
            open_folder(root, category=category)
    assert len(open_folder(root, layout="flat").train) == 18


def test_half_labelled_classes_are_not_taken_for_another_layout(tmp_path):
    root = fabricate.class_folders(tmp_path, ("normal", "defect"))
    with pytest.raises(DatasetError, match=r"test \(labelled\).*if it holds classes.*--layout classes"):
        open_folder(root)
    assert len(opened(root, "normal").train) == 4


def test_the_layout_of_mvtec_stays_that_of_mvtec(tmp_path):
    root = fabricate.mvtec_category(tmp_path)
    assert open_folder(root).layout == "mvtec"
    category = opened(root, "good")
    assert category.layout == "classes"
    assert names(category.train) == names(open_folder(root).train)
    assert [sample.anomalous for sample in category.test] == [sample.anomalous for sample in open_folder(root).test]
    assert category.left_out == ()


def test_the_catalogue_knows_the_classes_of_both_parts(root):
    shutil.rmtree(root / "train" / "ship")
    assert categories_of(root, layout="classes") == ("cat", "dog")
    assert open_category(root, category="dog", layout="classes") == opened(root, "dog")
    assert open_category(f"{root}/.", category="dog", layout="classes").name == "dog"


def test_as_torchvision_reads_them(root):
    from torchvision.datasets import ImageFolder

    for part in ("train", "test"):
        read = ImageFolder(str(root / part))
        ours = [sample for sample in (*opened(root, "cat").train, *opened(root, "cat").test) if part in sample.name]
        theirs = {path: read.classes[label] == "cat" for path, label in read.samples}
        for sample in ours:
            assert theirs[str(sample.image)] is not sample.anomalous
