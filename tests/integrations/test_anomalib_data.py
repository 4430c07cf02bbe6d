"""Data modules of anomalib and categories of this package, of the same folders."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests import fabricate
from tests.baselines import easy
from utad.data.catalog import open_category
from utad.errors import DatasetError, InputError
from utad.types import Sample

data = pytest.importorskip("anomalib.data")

# anomalib's own: names that timm has moved, and so on.
pytestmark = pytest.mark.filterwarnings(
    "ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning", "ignore::ResourceWarning"
)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    fabricate.mvtec_category(root / "bottle", n_train=8, n_good=3)
    return root


@pytest.fixture(scope="module")
def own(root):
    return open_category(str(root / "bottle"), category=None, root=None, seed=0)


def facts(samples):
    return sorted((str(one.image), bool(one.anomalous), one.defect, str(one.mask or "")) for one in samples)


def test_a_data_module_is_the_category_of_its_folder(root, own):
    from utad.integrations.anomalib_data import category_of

    found = category_of(data.MVTecAD(root=root, category="bottle", num_workers=0))
    assert found.name == "bottle"
    assert facts(found.train) == facts(own.train)
    assert facts(found.test) == facts(own.test)
    assert found.left_out == ()
    assert {one.name for one in found.test} >= {"test/broken/000.png", "test/good/000.png"}


def test_what_is_validated_on_is_left_out_and_counted(root):
    from utad.integrations.anomalib_data import category_of

    images = data.MVTecAD(
        root=root, category="bottle", num_workers=0, val_split_mode="from_train", val_split_ratio=0.25
    )
    found = category_of(images)
    assert len(found.train) == 6
    assert found.left_out == ("2 images to validate on",)


def test_a_data_module_without_normal_images_is_refused(tmp_path):
    from utad.integrations.anomalib_data import CategoryData, category_of

    bad = Sample("bad", fabricate.save(tmp_path / "a.png", fabricate.picture()), anomalous=True, defect="hole")
    images = CategoryData(replace(easy.category(), train=(bad,), test=()))
    images._setup()
    with pytest.raises(DatasetError, match="got CategoryData without a normal training image"):
        category_of(images)


def test_a_category_goes_to_anomalib_and_back(own):
    from utad.integrations.anomalib_data import CategoryData, category_of

    images = CategoryData(own, train_batch_size=4, eval_batch_size=3)
    images.setup("fit")
    trained = [path for batch in images.train_dataloader() for path in batch.image_path]
    validated = [path for batch in images.val_dataloader() for path in batch.image_path]
    assert len(validated) == 1  # 15 % of eight
    assert sorted(trained + validated) == sorted(str(sample.image) for sample in own.train)
    again = category_of(images)
    assert facts(again.test) == facts(own.test)
    assert again.name == own.name


def test_labels_and_masks_arrive(own):
    from utad.integrations.anomalib_data import CategoryData

    images = CategoryData(own, eval_batch_size=2)
    images.setup("test")
    found = {}
    for batch in images.test_dataloader():
        for path, label, mask in zip(batch.image_path, batch.gt_label, batch.gt_mask, strict=True):
            found[path] = (bool(label), mask.numpy().astype(bool))
    assert set(found) == {str(sample.image) for sample in own.test}
    for sample in own.test:
        label, mask = found[str(sample.image)]
        assert label == sample.anomalous
        expected = fabricate.square_mask() > 0 if sample.anomalous else np.zeros((40, 48), bool)
        np.testing.assert_array_equal(mask, expected)


def test_without_masks_it_is_a_classification(own):
    from utad.integrations.anomalib_data import CategoryData

    images = CategoryData(replace(own, test=tuple(replace(sample, mask=None) for sample in own.test)))
    images.setup("test")
    batch = next(iter(images.test_dataloader()))
    assert batch.gt_mask is None
    assert sorted(batch.gt_label.int().tolist()) == [0, 0, 0, 1, 1, 1]


def test_test_images_without_a_normal_one_take_none_from_the_training(own):
    from utad.integrations.anomalib_data import CategoryData

    images = CategoryData(replace(own, test=tuple(sample for sample in own.test if sample.anomalous)))
    images.setup("fit")
    assert (len(images.train_data) + len(images.val_data), len(images.test_data)) == (8, 3)


def test_what_is_no_file_is_refused(own):
    from utad.integrations.anomalib_data import CategoryData

    with pytest.raises(InputError, match="train/0: got ndarray for its image or mask, and anomalib reads one file"):
        CategoryData(easy.category())
    bad = next(sample for sample in own.test if sample.anomalous)
    with pytest.raises(InputError, match="got tuple for its image or mask"):
        CategoryData(replace(own, test=(replace(bad, mask=(bad.mask, bad.mask)),)))
