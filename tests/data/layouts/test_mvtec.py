from __future__ import annotations

import numpy as np
import pytest

from tests import fabricate
from utad.data.folder import open_folder
from utad.data.layouts.mvtec import LAYOUT, MVTEC_CATEGORIES
from utad.data.reading import load_image, load_mask
from utad.errors import DatasetError


def test_the_fifteen_names():
    assert len(set(MVTEC_CATEGORIES)) == 15
    assert {"metal_nut", "zipper", "carpet"} < set(MVTEC_CATEGORIES)


def test_a_category(tmp_path):
    category = open_folder(fabricate.mvtec_category(tmp_path / "bottle"))
    assert category.name == "bottle"
    assert [sample.name for sample in category.train] == [f"train/good/{i:03d}.png" for i in range(4)]
    assert all(sample.anomalous is False and sample.defect == "good" for sample in category.train)
    assert [(sample.name, sample.anomalous, sample.defect) for sample in category.test] == [
        ("test/good/000.png", False, "good"),
        ("test/good/001.png", False, "good"),
        ("test/broken/000.png", True, "broken"),
        ("test/broken/001.png", True, "broken"),
        ("test/scratch/000.png", True, "scratch"),
    ]


def test_masks_lie_on_the_defects(tmp_path):
    for sample in open_folder(fabricate.mvtec_category(tmp_path / "bottle")).test:
        image = load_image(sample)
        mask = load_mask(sample, image.shape[:2])
        assert mask is not None
        assert mask.sum() == (100 if sample.anomalous else 0)
        assert (image[mask] == 0).all()


def test_without_test_images_or_masks(tmp_path):
    category = open_folder(fabricate.mvtec_category(tmp_path, n_good=0, defects={}))
    assert len(category.train) == 4
    assert category.test == ()
    fabricate.save(tmp_path / "test" / "broken" / "1.png", fabricate.picture())
    sample = open_folder(tmp_path).test[0]
    assert sample.anomalous
    assert sample.mask is None


def test_no_training_images(tmp_path):
    (tmp_path / "train" / "good").mkdir(parents=True)
    assert LAYOUT.recognise(tmp_path)
    with pytest.raises(DatasetError, match="got no image files"):
        open_folder(tmp_path)


def test_every_inconsistency_is_named_at_once(tmp_path):
    folder = fabricate.mvtec_category(tmp_path / "bottle", defects={"broken": 3})
    truth, images = folder / "ground_truth", folder / "test"
    (truth / "broken" / "001_mask.png").unlink()
    fabricate.save(truth / "broken" / "010_mask.png", fabricate.square_mask())
    fabricate.save(truth / "broken" / "000.png", fabricate.square_mask())
    fabricate.save(truth / "broken" / "002_mask.png", np.zeros((9, 9), np.uint8))
    fabricate.save(images / "broken" / "002.jpg", fabricate.picture())
    fabricate.save(truth / "bent" / "000_mask.png", fabricate.square_mask())
    fabricate.save(images / "stray.png", fabricate.picture())
    fabricate.save(folder / "train" / "broken" / "000.png", fabricate.picture())
    with pytest.raises(DatasetError) as caught:
        open_folder(folder)
    message = str(caught.value)
    for path in (
        *(images / "broken" / name for name in ("000.png", "001.png", "002.png", "002.jpg")),
        *(truth / "broken" / name for name in ("000.png", "000_mask.png", "002_mask.png", "010_mask.png")),
        truth / "bent" / "000_mask.png",
        images / "stray.png",
        folder / "train" / "broken",
    ):
        assert str(path) in message
    assert "8 inconsistencies" in message or "7 inconsistencies" in message
    assert "\n" not in message


def test_training_needs_no_masks(tmp_path):
    folder = fabricate.mvtec_category(tmp_path / "bottle", defects={"broken": 3})
    (folder / "ground_truth" / "broken" / "001_mask.png").unlink()
    (folder / "ground_truth" / "broken" / "000_mask.png").write_bytes(b"damaged")
    category = open_folder(folder, masks=False)
    assert (len(category.train), len(category.test)) == (4, 5)
    assert all(sample.mask is None for sample in category.test)
    with pytest.raises(DatasetError, match=r"001\.png has no mask"):
        open_folder(folder)


def test_a_test_part_alone_can_be_evaluated_and_not_trained_on(tmp_path):
    fabricate.mvtec_category(tmp_path, n_train=0)
    assert len(open_folder(tmp_path, split=False).test) == 5
    with pytest.raises(DatasetError, match="no normal images to train on"):
        open_folder(tmp_path)


def test_masks_beside_the_kinds_are_no_kind_of_defect(tmp_path):
    folder = fabricate.mvtec_category(tmp_path / "bottle")
    fabricate.save(folder / "test" / "masks" / "000.png", fabricate.square_mask())
    category = open_folder(folder)
    assert {sample.defect for sample in category.test} == {"good", "broken", "scratch"}
    assert category.left_out == ("test/masks: masks are read from ground_truth alone",)
    fabricate.save(folder / "test" / "label" / "000.png", fabricate.defective())
    fabricate.save(folder / "ground_truth" / "label" / "000_mask.png", fabricate.square_mask())
    assert "label" in {sample.defect for sample in open_folder(folder).test}
