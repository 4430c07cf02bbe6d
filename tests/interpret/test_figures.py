from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tests import fabricate
from utad.interpret.figures import COLUMNS, GridRow, heat_overlay, prediction_grid, strength, to_8_bit
from utad.interpret.png import decode_map, encode_map, write_png
from utad.types import Prediction


def prediction(height: int = 12, width: int = 16) -> Prediction:
    picture = fabricate.picture(height, width)
    return Prediction(
        pred_score=0.75,
        pred_label=True,
        threshold=0.5,
        fail_threshold=0.8,
        regions=(),
        raw_score=3.0,
        anomaly_map=np.linspace(0, 1, height * width, dtype=np.float32).reshape(height, width),
        pred_mask=np.zeros((height, width), bool),
        pictures=dict.fromkeys(("impression", "naive_impression", "reconstruction"), picture),
    )


def test_the_threshold_is_half_way_and_nothing_saturates_early():
    values = strength(np.array([-3.0, 0.0, 0.5, 1.0, 4.0, 6.0], np.float32))
    assert values[:4] == pytest.approx([0, 0, 0.5, 0.75])
    assert values[4] < values[5] < 1


def test_maps_survive_16_bits():
    values = np.linspace(0, 5, 500, dtype=np.float32)
    encoded = encode_map(values)
    assert encoded.dtype == np.uint16
    assert (np.diff(encoded.astype(int)) > 0).all()
    np.testing.assert_allclose(decode_map(encoded), values, atol=0.02)
    assert encode_map(np.array([0.5], np.float32))[0] == 32768


def test_an_overlay_leaves_what_is_normal_as_it_is():
    image = fabricate.picture(10, 10)
    heat = np.zeros((10, 10), np.float32)
    heat[5:, 5:] = 3.0
    overlay = heat_overlay(image, heat)
    assert np.array_equal(overlay[:5, :5], image[:5, :5])
    assert (overlay[5:, 5:, 0] > 150).all()
    assert np.array_equal(heat_overlay(image.astype(np.uint16) * 257, heat), overlay)


def test_16_bit_images_are_shown_in_8():
    assert to_8_bit(np.array([[[0, 257, 65535]]], np.uint16)).tolist() == [[[0, 1, 255]]]


def test_a_grid_has_a_row_for_each_image_and_names_its_verdict():
    image = fabricate.picture(12, 16)
    items = [GridRow("hole", image, prediction(), np.ones((12, 16), bool)), GridRow("new", image, prediction())]
    figure = prediction_grid(items)
    assert len(figure.axes) == 2 * len(COLUMNS)
    assert [axis.get_title() for axis in figure.axes[: len(COLUMNS)]] == list(COLUMNS)
    assert figure.axes[0].get_ylabel() == "hole\n0.75: anomalous"
    shown = [np.asarray(axis.images[0].get_array()) for axis in figure.axes]
    assert (shown[1] == 255).all()
    assert (shown[len(COLUMNS) + 1] == 128).all()


@pytest.mark.parametrize(
    ("pixels", "mode"),
    [
        (np.eye(5, dtype=bool), "1"),
        (np.arange(25, dtype=np.uint16).reshape(5, 5) * 2000, "I;16"),
        (fabricate.picture(5, 5), "RGB"),
    ],
)
def test_png_files_have_the_depth_of_their_pixels(tmp_path, pixels, mode):
    write_png(tmp_path / "neu" / "x.png", pixels)
    with Image.open(tmp_path / "neu" / "x.png") as picture:
        assert picture.mode == mode
        assert np.array_equal(np.asarray(picture), pixels)


def test_outside_a_region_nothing_is_coloured():
    made, inside = prediction(), np.zeros((12, 16), bool)
    inside[:, 10:] = True
    image = fabricate.picture(12, 16)
    shown = heat_overlay(image, made.anomaly_map, None, inside)
    assert np.array_equal(shown[:, :10], image[:, :10])
    assert np.array_equal(shown[:, 10:], heat_overlay(image, made.anomaly_map)[:, 10:])
    assert (strength(made.anomaly_map, inside)[~inside] == 0).all()
