from __future__ import annotations

import numpy as np
import pytest

import camera_images
from measuring import camera
from utad.data.catalog import open_category
from utad.data.reading import load_image, load_mask

SIZE = (64, 80)


@pytest.fixture
def category(tmp_path):
    assert camera_images.main([str(tmp_path), "--size", "64x80", "--train", "4", "--test", "6", "--defect", "8"]) == 0
    return open_category(tmp_path, category=camera_images.CATEGORY)


def test_the_folder_is_a_category_with_masks(category):
    assert len(category.train) == 4
    assert [sample.anomalous for sample in category.test].count(True) == 3
    assert len(category.test) == 6
    numbers = {sample.name.split("/")[-1]: sample for sample in category.test}
    plain = camera.image(*SIZE, 20_003)
    image = load_image(numbers["003.png"])[..., 0]
    mask = load_mask(numbers["003.png"], SIZE)
    # The defect is where the mask is, and nowhere else.
    assert 10 < mask.sum() < 16 * 16
    assert np.array_equal(image[~mask], plain[~mask])
    assert (image[mask] != plain[mask]).mean() > 0.9
    assert np.array_equal(image, camera.image(*SIZE, 20_003, 8))


def test_what_is_there_is_not_written_over(category, tmp_path, capsys):
    with pytest.raises(SystemExit):
        camera_images.main([str(tmp_path), "--size", "64x80"])
    assert "is there: name another folder" in capsys.readouterr().err
