from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from tests import fabricate
from utad.data.copies import check_copies, first_alike
from utad.data.tensors import to_tensor
from utad.errors import TrainingError


def stacked(images) -> torch.Tensor:
    return torch.stack([to_tensor(image, 64, 3) for image in images])


def encoded(image: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return np.array(Image.open(buffer))


def test_copies_of_one_photograph_train_nothing(photographs):
    crop = photographs["brick"][:300, :300]
    images = stacked([crop, *(encoded(crop, quality) for quality in (98, 97, 95))] * 6)
    names = [f"{index}.png" for index in range(24)]
    assert first_alike(images).tolist() == [0] * 24
    with pytest.raises(TrainingError, match=r"of 24 training images only 1 differ.*1\.png of 0\.png"):
        check_copies(images, names)


def test_some_copies_are_named_and_go_on(photographs, caplog):
    crops = [photographs["brick"][y : y + 200, x : x + 200] for y in (0, 150, 300) for x in (0, 150, 300)]
    check_copies(stacked(crops), [str(index) for index in range(9)])
    assert caplog.text == ""
    check_copies(stacked([*crops, encoded(crops[4], 90)]), [*map(str, range(9)), "again"])
    assert "1 of 10 training images are copies of others, and teach nothing: again of 4" in caplog.text


def test_what_one_camera_sees_of_different_parts_is_no_copy():
    """Same place, same light, the part a little to the side: the least that normal images differ by."""
    image = fabricate.picture(128, 128, seed=1)
    moved = [np.roll(image, shift, axis=axis) for axis in (0, 1) for shift in (2, 4, 6)]
    assert first_alike(stacked([image, *moved])).tolist() == list(range(7))


def test_images_of_one_level_are_copies_of_that_level_only():
    flat = [np.full((8, 8, 3), level, np.uint8) for level in (0, 128, 0, 129)]
    assert first_alike(stacked(flat)).tolist() == [0, 1, 0, 3]
