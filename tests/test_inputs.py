from __future__ import annotations

from pathlib import Path

import pytest

from tests import fabricate
from utad.data.reading import read_image
from utad.errors import DatasetError, ImageReadError
from utad.inputs import all_normal_samples, collect_images, training_category


def names(paths) -> list[str]:
    return [sample.name for sample in collect_images(paths).samples]


def test_samples_are_named_below_the_folder_that_holds_them_all(tmp_path):
    one = fabricate.save(tmp_path / "line 1" / "x.png", fabricate.picture(8, 8))
    two = fabricate.save(tmp_path / "line 2" / "x.png", fabricate.picture(8, 8))
    assert names([tmp_path]) == ["line 1/x.png", "line 2/x.png"]
    assert names([one, two]) == ["line 1/x.png", "line 2/x.png"]
    assert names([one, one.parent]) == ["x.png"]
    assert names([one]) == ["x.png"]
    with pytest.raises(DatasetError, match="nowhere does not exist"):
        collect_images([tmp_path / "nowhere"])


@pytest.mark.parametrize(("name", "words"), [("https://host/a.png", "is a URL"), ("parts.zip", "is an archive")])
def test_what_is_not_local_is_refused_by_name(tmp_path, name, words):
    with pytest.raises(DatasetError, match=words):
        collect_images([tmp_path / name if name.endswith("zip") else Path(name)])
    with pytest.raises(ImageReadError, match=words):
        read_image(Path(name))


def test_every_normal_image_is_found_whichever_side_of_a_split_it_is_on(tmp_path):
    assert len(all_normal_samples(fabricate.mvtec_category(tmp_path / "bottle", n_train=4, n_good=2))) == 6
    assert len(all_normal_samples(fabricate.normal_abnormal(tmp_path / "parts", n_normal=7))) == 7
    fabricate.save(tmp_path / "bad" / "NG" / "1.png", fabricate.defective())
    with pytest.raises(DatasetError, match="no normal images, of its 1 images all are anomalous"):
        all_normal_samples(tmp_path / "bad")


def test_inconsistent_masks_stop_no_training(tmp_path):
    fabricate.normal_abnormal(tmp_path)
    (tmp_path / "masks" / "1.png").write_bytes(b"")
    assert len(training_category(tmp_path).train) == 8


def test_masks_among_the_images_to_score_are_mentioned(tmp_path, caplog):
    root = fabricate.normal_abnormal(tmp_path / "parts", n_normal=2, n_abnormal=3)
    assert len(collect_images([root]).samples) == 8
    (record,) = caplog.records
    assert record.getMessage().startswith(
        f"3 images in {root / 'masks'} look like masks, and are scored like the others"
    )
    caplog.clear()
    # Whoever names the folder means it, and photographs are no masks.
    collect_images([root / "masks"])
    fabricate.save(tmp_path / "products" / "masks" / "1.png", fabricate.picture())
    collect_images([tmp_path / "products"])
    assert not caplog.records
