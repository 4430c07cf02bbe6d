from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
from PIL import Image

from tests.explained import explanation
from utad.interpret.figures import strength
from utad.serving.pictures import outlines_of, png_of


def opened(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


def test_the_heat_covers_nothing_outside_the_region_and_where_all_is_normal():
    made = explanation()
    height, width = made.prediction.anomaly_map.shape
    inside = np.zeros((height, width), bool)
    inside[: height // 2] = True
    raised = np.full((height, width), 0.5, np.float32)
    raised[0, 0] = -1.0
    prediction = replace(made.prediction, anomaly_map=raised, inside=inside)
    heat = opened(png_of("heat", made.image, prediction))
    assert heat.shape == (height, width, 4)
    assert (heat[height // 2 :, :, 3] == 0).all()
    assert heat[0, 0, 3] == 0
    assert heat[0, 1, 3] == round(255 * min(1.0, 1.4 * float(strength(np.float32(0.5)))))
    assert set(outlines_of(prediction)) == {"mask", "region"}
    assert set(outlines_of(made.prediction)) == {"mask"}


def test_a_small_picture_has_the_mean_colours_and_a_small_mask_no_new_values():
    made = explanation()
    height, width = made.image.shape[:2]
    assert max(height, width) % 2 == 0
    half = opened(png_of("image", made.image, made.prediction, longest=max(height, width) // 2))
    assert half.shape == (height // 2, width // 2, 3)
    blocks = made.image[: height // 2 * 2, : width // 2 * 2].astype(float)
    means = blocks.reshape(height // 2, 2, width // 2, 2, 3).mean(axis=(1, 3))
    assert np.abs(half - means).max() <= 1.0
    mask = opened(png_of("mask", made.image, made.prediction, longest=max(height, width) // 2))
    assert mask.dtype == bool
    assert np.array_equal(opened(png_of("image", made.image, made.prediction, longest=4096)), made.image)
