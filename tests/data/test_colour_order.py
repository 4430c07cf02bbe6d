from __future__ import annotations

import logging

import numpy as np
import pytest

from tests import fabricate
from utad.data.colour_order import ColourOrder, fit_colour_order, watched
from utad.errors import ImageReadError
from utad.types import Sample

WARM = np.array([1.0, 0.8, 0.6])


def coloured(seed: int, tint=WARM, size=(40, 60)) -> np.ndarray:
    grey = fabricate.picture(*size, seed=seed, grey=True).astype(float)
    return (grey * tint).astype(np.uint8)


def warnings_over(images, order, caplog, batch_size=3) -> int:
    caplog.clear()
    read = [(Sample(str(index), image), image) for index, image in enumerate(images)]
    batches = [read[start : start + batch_size] for start in range(0, len(read), batch_size)]
    with caplog.at_level(logging.WARNING, logger="utad"):
        assert list(watched(batches, order)) == batches
    return sum("red and blue look exchanged" in record.message for record in caplog.records)


def test_the_order_is_that_of_the_colours_and_not_of_the_exposure():
    order = fit_colour_order([coloured(seed) for seed in range(6)])
    image = coloured(9)
    assert order.agreement(image) == pytest.approx(1, abs=0.1)
    assert order.agreement(image[..., ::-1]) == pytest.approx(-order.agreement(image))
    assert order.agreement(image / 510) == pytest.approx(order.agreement(image))
    assert order.agreement(image.astype(np.uint16) * 257) == pytest.approx(order.agreement(image))
    assert order.agreement(np.zeros((5, 7, 3), np.uint8)) == 0
    # Red 1, green 0.8, blue 0.6 of a grey: red minus blue is half of the mean level, in every cell.
    assert order.red_minus_blue == pytest.approx([0.5] * 16, abs=0.15)


@pytest.mark.parametrize("count", [1, 5, 20])
def test_swapped_images_give_one_warning_and_others_none(count, caplog):
    order = fit_colour_order([coloured(seed) for seed in range(12)])
    images = [coloured(100 + seed) for seed in range(count)]
    assert warnings_over(images, order, caplog) == 0
    assert warnings_over([image[..., ::-1] for image in images], order, caplog) == 1


def test_defects_other_light_and_grey_images_are_no_other_order(caplog):
    order = fit_colour_order([coloured(seed) for seed in range(12)])
    cold_stain = coloured(1)
    cold_stain[:20, :30] = (20, 60, 250)
    for image in (
        cold_stain,
        coloured(2, WARM * 0.5),
        coloured(3, np.array([0.9, 0.85, 0.85])),
        fabricate.picture(40, 60, seed=4, grey=True),
        np.full((9, 9, 3), 255, np.uint8),
    ):
        assert warnings_over([image] * 3, order, caplog) == 0


def test_a_part_of_two_colours_has_an_order_though_it_is_grey_on_average(caplog):
    def sign(seed):
        image = coloured(seed)
        image[:20] = image[:20, :, ::-1]
        return image

    order = fit_colour_order([sign(seed) for seed in range(8)])
    assert warnings_over([sign(50)[..., ::-1]], order, caplog) == 1
    assert warnings_over([sign(50)], order, caplog) == 0


def test_nothing_is_told_from_grey_images_or_from_any_colours():
    assert fit_colour_order([fabricate.picture(seed=seed, grey=True) for seed in range(8)]) is None
    tints = np.random.default_rng(0).uniform(0.3, 1.0, (30, 3))
    assert fit_colour_order([coloured(seed, tint) for seed, tint in enumerate(tints)]) is None


def test_what_cannot_be_read_is_passed_over():
    order = ColourOrder((0.5,) * 16)
    batch = [(Sample("bad", coloured(0)), ImageReadError("bad"))]
    assert list(watched([batch], order)) == [batch]
    assert ColourOrder.of(None) is None
