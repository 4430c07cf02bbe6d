from __future__ import annotations

import numpy as np
from PIL import Image

import evaluate_memory


def test_every_second_image_has_a_square_and_its_mask_and_files_repeat(tmp_path):
    category = evaluate_memory.fabricate(tmp_path, 21, 64)
    assert [sample.anomalous for sample in category.test] == [index % 2 == 1 for index in range(21)]
    assert sorted(path.name for path in tmp_path.glob("*_mask.png")) == [
        f"{index:05d}_mask.png" for index in range(1, 21, 2)
    ]
    for sample in category.test:
        image = np.array(Image.open(sample.image)).astype(float)
        assert image.shape == (64, 64, 3)
        if sample.anomalous:
            mask = np.array(Image.open(sample.mask)) > 0
            assert mask.sum() == 64
            assert image[mask].mean() < 0.6 * image[~mask].mean()
    assert category.test[17].image.samefile(category.test[1].image)
