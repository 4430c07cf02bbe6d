from __future__ import annotations

import logging

import numpy as np
import pytest
import torch

from tests import fabricate
from utad.data.loading import load_images
from utad.data.tensors import to_tensor
from utad.errors import DatasetError, ImageReadError, InputError
from utad.types import Sample


def files(tmp_path, count: int, *, grey: bool = False) -> list[Sample]:
    return [
        Sample(f"{i}.png", fabricate.save(tmp_path / f"{i}.png", fabricate.picture(20, 24, seed=i, grey=grey)))
        for i in range(count)
    ]


def test_order_names_and_values_are_kept(tmp_path):
    samples = files(tmp_path, 17)
    loaded = load_images(samples, size=16, channels=3, workers=4)
    assert loaded.names == tuple(f"{i}.png" for i in range(17))
    assert loaded.images.shape == (17, 3, 16, 16)
    assert loaded.images.dtype == torch.float32
    assert loaded.skipped == ()
    for i in range(17):
        assert torch.equal(loaded.images[i], to_tensor(fabricate.picture(20, 24, seed=i), 16, 3))


def test_channels_follow_the_images(tmp_path):
    grey = files(tmp_path / "grey", 3, grey=True)
    colour = files(tmp_path / "colour", 2)
    assert load_images(grey, size=8, channels=None).channels == 1
    mixed = load_images([*grey, *colour], size=8, channels=None)
    assert mixed.channels == 3
    assert torch.equal(mixed.images, load_images([*grey, *colour], size=8, channels=3).images)
    assert load_images(colour, size=8, channels=1).images.shape == (2, 1, 8, 8)


def test_pixels_in_memory_are_loaded_as_files_are(tmp_path):
    samples = files(tmp_path, 2)
    pixels = [Sample(f"{i}", fabricate.picture(20, 24, seed=i)) for i in range(2)]
    in_memory = load_images(pixels, size=8, channels=3).images
    assert torch.equal(in_memory, load_images(samples, size=8, channels=3).images)


def test_every_damaged_file_is_named_in_one_error(tmp_path):
    damaged = fabricate.damaged_files(tmp_path / "bad")
    samples = files(tmp_path, 2) + [Sample(path.name, path) for path in damaged.values()]
    with pytest.raises(DatasetError) as caught:
        load_images(samples, size=8, channels=3)
    message = str(caught.value)
    assert message.startswith(f"{len(damaged)} of {len(samples)} images cannot be read")
    for path in damaged.values():
        assert str(path) in message
    assert "skip_bad" in message


def test_skip_bad_goes_on_and_says_so(tmp_path, caplog):
    damaged = fabricate.damaged_files(tmp_path / "bad")
    good = files(tmp_path, 3)
    samples = [good[0], *(Sample(path.name, path) for path in damaged.values()), *good[1:]]
    with caplog.at_level(logging.WARNING):
        loaded = load_images(samples, size=8, channels=None, skip_bad=True)
    assert loaded.names == ("0.png", "1.png", "2.png")
    assert len(loaded.skipped) == len(damaged)
    assert all(isinstance(error, ImageReadError) for error in loaded.skipped)
    assert f"{len(damaged)} of {len(samples)} images" in caplog.text


def test_nothing_readable_is_an_error_even_when_skipping(tmp_path):
    samples = [Sample("a", tmp_path / "a.png"), Sample("b", tmp_path / "b.png")]
    with pytest.raises(DatasetError, match="none of the 2 images"):
        load_images(samples, size=8, channels=3, skip_bad=True)
    with pytest.raises(DatasetError, match="no images"):
        load_images([], size=8, channels=3)


def test_the_pixel_limit_is_passed_on(tmp_path):
    with pytest.raises(DatasetError, match="limit of 10"):
        load_images(files(tmp_path, 2), size=8, channels=3, max_pixels=10)


def test_bad_arguments_are_errors_and_not_skipped():
    wrong = [Sample("part 3", np.zeros((4, 4, 2), np.uint8))]
    with pytest.raises(InputError, match="part 3"):
        load_images(wrong, size=8, channels=3, skip_bad=True)
