from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from utad.data.region_of_interest import nearest
from utad.export.resize import (
    antialiased_weights,
    bilinear_weights,
    nearest_positions,
    positions,
    resize,
    resize_uint8,
)

SIZES = [(300, 300, 128), (40, 48, 64), (1, 1000, 64), (3, 3, 16), (128, 128, 128), (257, 64, 64), (1500, 37, 128)]


@pytest.mark.parametrize(("height", "width", "side"), SIZES)
def test_uint8_is_resized_and_rounded_as_pytorch_does(height, width, side):
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 3, height, width)).astype(np.uint8))
    expected = functional.interpolate(pixels, size=(side, side), mode="bilinear", antialias=True)
    rows, columns, target = positions(height), positions(width), positions(side)
    resized = resize_uint8(pixels.float(), antialiased_weights(rows, target), antialiased_weights(columns, target))
    difference = (resized - expected.float()).abs()
    assert float(difference.max()) <= 1.0
    # A weight that lies half-way between two 16-bit numbers may be rounded the other way: seldom, by one level.
    assert float((difference > 0).float().mean()) < 1e-3


@pytest.mark.parametrize(("height", "width", "side"), SIZES)
@pytest.mark.parametrize("antialias", [True, False])
def test_floats_are_brought_to_the_size_of_the_image_as_pytorch_does(height, width, side, antialias):
    maps = torch.randn(2, side, side, generator=torch.Generator().manual_seed(0))
    expected = functional.interpolate(maps[None], size=(height, width), mode="bilinear", antialias=antialias)[0]
    weights = antialiased_weights if antialias else bilinear_weights
    source = positions(side)
    found = resize(maps, weights(source, positions(height)), weights(source, positions(width)))
    # PyTorch scales positions in single precision, which moves them by up to 3e-5 of a pixel.
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


def test_weights_of_a_small_case_by_hand():
    # 4 pixels to 2: centres at 0.5 and 2.5, a triangle of half-width 2.
    weights = antialiased_weights(positions(4), positions(2))
    expected = torch.tensor([[3.0, 3.0, 1.0, 0.0], [0.0, 1.0, 3.0, 3.0]]) / 7
    torch.testing.assert_close(weights, expected)
    torch.testing.assert_close(bilinear_weights(positions(2), positions(4))[1], torch.tensor([0.75, 0.25]))


@pytest.mark.parametrize(("n_in", "n_out"), [(1, 1), (7, 7), (40, 13), (13, 40), (1024, 65_535), (1000, 4093)])
def test_positions_of_centres_are_those_of_a_region(n_in, n_out):
    source = np.arange(n_in)
    # The values of a mask tell the positions: one row that is its own index, bit by bit.
    found = nearest_positions(positions(n_out), n_in).numpy()
    for bit in range(n_in.bit_length()):
        mask = ((source >> bit) & 1).astype(bool)[None]
        assert np.array_equal(nearest(mask, (1, n_out))[0], (found >> bit) & 1)
