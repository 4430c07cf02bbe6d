from __future__ import annotations

import io

import numpy as np
import pytest

from tests.figured import HEIGHT, WIDTH, finding
from utad.interpret.figures import coloured
from utad.interpret.picture_table import (
    LARGEST_DIFFERENCE,
    LEVELS,
    Panel,
    TableRow,
    difference_panel,
    map_panel,
    mask_panel,
    picture_table,
    shortened,
)

GREY = np.full((6, 8, 3), 100, np.uint8)


def test_the_threshold_has_the_middle_colour_in_every_map():
    middle = coloured(np.array([[0.5]], np.float32))[0, 0]
    for high in (2.0, 50.0):
        pixels = map_panel(finding(0.9, high=high).anomaly_map).pixels
        assert np.array_equal(pixels[0, 0], middle)


def test_outside_a_region_a_map_has_the_lowest_colour():
    inside = np.zeros((HEIGHT, WIDTH), bool)
    inside[:, 10:] = True
    pixels = map_panel(finding(0.9).anomaly_map, inside=inside).pixels
    assert np.array_equal(pixels[0, 0], coloured(np.zeros((1, 1), np.float32))[0, 0])
    assert not np.array_equal(pixels[0, 20], pixels[0, 0])


def test_a_difference_is_a_mean_over_channels_on_a_fixed_scale():
    other = GREY.copy()
    other[0, 0, 0] += 51  # a fifth of full scale in one of three channels
    other[1, 1] += 155  # more than the scale has
    pixels = difference_panel(GREY, other).pixels
    assert pixels[2, 2].tolist() == [0, 0, 0]
    assert pixels[0, 0].tolist() == [round(255 * 0.2 / 3 / LARGEST_DIFFERENCE)] * 3
    assert pixels[1, 1].tolist() == [255] * 3
    assert np.array_equal(pixels, difference_panel(other, GREY).pixels)


def test_a_mask_that_is_not_known_is_grey_and_says_so():
    unknown = mask_panel(None, GREY)
    assert (unknown.pixels == 128).all()
    assert unknown.caption == "not known"
    known = mask_panel(np.eye(6, 8, dtype=bool), GREY)
    assert set(np.unique(known.pixels)) == {0, 255}


def test_a_table_has_titles_names_captions_and_the_scales_that_it_needs():
    mask = np.zeros((6, 8), bool)
    mask[2:4, 2:5] = True
    rows = [
        TableRow("hole_$1$", [Panel(GREY, truth=mask), Panel(GREY, "0.90: anomalous", mask=mask)]),
        TableRow("x" * 40, [Panel(GREY), None]),
    ]
    figure = picture_table(["input", "padim"], rows, maps=True, differences=True)
    *panels, maps, differences = figure.axes
    assert [axis.get_title() for axis in panels] == ["input", "padim", "", ""]
    assert [axis.get_ylabel() for axis in panels] == ["hole_$1$", "", shortened("x" * 40, 22), ""]
    assert panels[1].get_xlabel() == "0.90: anomalous"
    assert len(panels[0].lines) == 2  # white dashes on black
    assert len(panels[1].lines) == 1
    assert not panels[3].images
    assert [label.get_text() for label in maps.get_xticklabels()] == [f"{level:g}" for level in LEVELS]
    assert maps.get_xticks()[LEVELS.index(0.5)] == 0.5
    assert differences.get_xticks().tolist() == [0.0, LARGEST_DIFFERENCE]
    assert len(picture_table(["input", "padim"], rows, maps=False, differences=False).axes) == 4
    figure.savefig(io.BytesIO(), format="svg")  # what is not math must not be read as math


def test_pictures_keep_their_aspect_up_to_twice_their_width():
    def shape(height: int, width: int) -> tuple[float, float]:
        row = TableRow("a", [Panel(np.zeros((height, width, 3), np.uint8))])
        figure = picture_table(["x"], [row], maps=False, differences=False)
        box = figure.axes[0].get_position(original=True)
        return box.height * figure.get_figheight(), box.width * figure.get_figwidth()

    for height, width, ratio in ((10, 20, 0.5), (30, 20, 1.5), (100, 20, 2.0)):
        high, wide = shape(height, width)
        assert high / wide == pytest.approx(ratio)


def test_long_names_lose_their_beginning():
    assert shortened("short", 9) == "short"
    assert shortened("a/very/long/name.png", 11) == "...name.png"
    assert shortened("\udcff", 9) == "\\udcff"
