from __future__ import annotations

import numpy as np
import pytest

from tests import fabricate
from utad.config import ImageConfig, load_config
from utad.data.rasterising import LONGEST, region_of_interest
from utad.errors import ConfigError
from utad.types import Sample


def settings(*overrides: str) -> ImageConfig:
    return load_config(overrides=overrides).image


def samples(*sizes: tuple[int, int]) -> list[Sample]:
    return [Sample(str(index), fabricate.picture(*size, seed=index)) for index, size in enumerate(sizes)]


SAME = samples(*[(40, 48)] * 6)


def drawn(*overrides: str, images=SAME) -> np.ndarray:
    region = region_of_interest(settings(*overrides), images)
    assert region is not None
    return region.mask


def test_without_shapes_the_whole_image_counts():
    assert region_of_interest(settings(), SAME) is None


def test_a_box_is_drawn_in_pixels_and_in_parts_alike():
    expected = np.zeros((40, 48), bool)
    expected[10:40, 12:36] = True
    for box in ("[12, 10, 36, 40]", "[0.25, 0.25, 0.75, 1]"):
        assert np.array_equal(drawn(f"image.roi={box}"), expected)
        assert np.array_equal(drawn(f"image.ignore={box}"), ~expected)


def test_a_polygon_is_drawn_in_pixels_and_in_parts_alike():
    pixels = drawn("image.roi=[[0, 0], [48, 0], [0, 40]]")
    assert np.array_equal(pixels, drawn("image.roi=[[0, 0], [1, 0], [0, 1]]"))
    rows, columns = (np.arange(40) + 0.5) / 40, (np.arange(48) + 0.5) / 48
    assert np.array_equal(pixels, rows[:, None] + columns < 1)


def test_shapes_add_up_and_what_is_ignored_is_taken_off():
    found = drawn("image.roi=[[0, 0, 0.5, 1], [0.4, 0, 0.9, 1]]", "image.ignore=[[0, 0, 1, 0.25]]")
    expected = np.zeros((40, 48), bool)
    expected[10:, :43] = True
    assert np.array_equal(found, expected)


def test_a_mask_file_is_inside_where_it_is_not_zero(tmp_path):
    mask = np.zeros((40, 48), np.uint8)
    mask[:, 20:] = 1
    path = fabricate.save(tmp_path / "größe.png", mask)
    assert np.array_equal(drawn(f"image.roi={path}"), mask > 0)
    half = fabricate.save(tmp_path / "half.png", mask[::2, ::2])
    assert np.array_equal(drawn(f"image.roi={half}"), mask > 0)


def test_images_of_several_sizes_take_parts_and_no_pixels():
    mixed = samples((40, 48), (80, 60))
    assert drawn("image.roi=[0, 0, 0.5, 1]", images=mixed).shape == (80, 60)
    with pytest.raises(ConfigError, match=r"image.roi: \[0.0, 0.0, 20.0, 30.0\] is in pixels, and .* several sizes"):
        drawn("image.roi=[0, 0, 20, 30]", images=mixed)


def test_the_mask_of_large_images_is_bounded():
    large = samples((2000, 3000))
    found = drawn("image.roi=[0, 0, 1500, 2000]", images=large)
    assert found.shape == (round(LONGEST * 2 / 3), LONGEST)
    assert found[:, : LONGEST // 2].all()
    assert not found[:, LONGEST // 2 :].any()


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["image.roi=[0, 0, 50, 40]"], r"reaches beyond the training images, which are 48 pixels wide and 40 high"),
        (["image.roi=[0.5, 0.5, 0.501, 0.501]"], r"covers no pixel of the images"),
        (["image.roi=[0, 0, 0.2, 0.2]"], r"leave 4.2 % of the image, \d+ of 256 positions .* at least 16"),
        (["image.ignore=[0, 0, 1, 1]"], r"leave 0 % of the image, 0 of 256 positions"),
        (["image.roi=nowhere.png"], r"image.roi: nowhere.png: there is no such file"),
    ],
)
def test_what_cannot_be_meant_is_explained(overrides, words):
    with pytest.raises(ConfigError, match=words):
        drawn(*overrides)


def test_a_mask_of_other_proportions_is_refused(tmp_path):
    path = fabricate.save(tmp_path / "mask.png", np.ones((48, 40), np.uint8))
    with pytest.raises(ConfigError, match=r"mask.png is 40 x 48 pixels and the training images are 48 x 40"):
        drawn(f"image.roi={path}")


def test_the_fill_is_the_mean_colour_inside():
    region = region_of_interest(settings("image.roi=[0, 0, 0.5, 1]"), SAME)
    expected = np.mean([sample.image[:, :24].mean(axis=(0, 1)) for sample in SAME], axis=0)
    assert region.fill == tuple(np.round(expected).astype(int).tolist())
    deep = [Sample(sample.name, sample.image.astype(np.uint16) * 257) for sample in SAME]
    assert region_of_interest(settings("image.roi=[0, 0, 0.5, 1]"), deep).fill == region.fill


def test_damaged_files_are_left_to_who_loads_them(tmp_path):
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(b"no image")
    assert region_of_interest(settings("image.roi=[0, 0, 0.5, 1]"), [Sample("damaged", damaged)]) is None
    assert drawn("image.roi=[0, 0, 24, 40]", images=[*SAME, Sample("damaged", damaged)]).shape == (40, 48)
