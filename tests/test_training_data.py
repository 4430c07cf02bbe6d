from __future__ import annotations

import pytest

from tests import fabricate
from utad.config import load_config
from utad.training_data import load_training_data


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ((40, 60), "images of 60 x 40 pixels become 64 x 64, which squeezes them 1.5 times more along their width"),
        ((126, 50), "images of 50 x 126 pixels become 64 x 64, which squeezes them 2.5 times more along their height"),
        ((50, 60), ""),
        ((60, 50), ""),
    ],
)
def test_it_is_said_that_long_images_are_squeezed(caplog, size, words):
    images = [fabricate.picture(*size, seed=seed) for seed in range(5)]
    config = load_config("fast", overrides=["image.size=64"])
    load_training_data(images, config, skip_bad=False, progress=False)
    said = [record.message for record in caplog.records if "squeezes" in record.message]
    if not words:
        assert not said
        return
    assert said[0].startswith(words)
    assert "--set image.letterbox=true pads them, image.tile=auto cuts them" in said[0]


def test_nothing_is_said_of_images_in_a_letterbox(caplog):
    images = [fabricate.picture(40, 60, seed=seed) for seed in range(5)]
    config = load_config("fast", overrides=["image.size=64", "image.letterbox=true"])
    framed = load_training_data(images, config, skip_bad=False, progress=False)
    assert framed.geometry.letterbox is not None
    assert framed.geometry.network_region is framed.geometry.letterbox.region
    assert framed.loaded.shapes == ((40, 60),) * 5
    assert "squeezes" not in caplog.text


def test_one_long_image_among_others_is_no_reason(caplog):
    images = [fabricate.picture(48, 48, seed=seed) for seed in range(4)] + [fabricate.picture(20, 90)]
    load_training_data(images, load_config("fast", overrides=["image.size=64"]), skip_bad=False, progress=False)
    assert "squeezes" not in caplog.text
