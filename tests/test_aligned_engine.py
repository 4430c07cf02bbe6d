from __future__ import annotations

import json

import numpy as np
import pytest

from tests.data.test_alignment import moved, part
from utad.aligned_engine import AlignedEngine
from utad.data.alignment import fit_alignment, grey_of
from utad.predictor import Predictor
from utad.types import EngineResult, LazyArrays


class Difference:
    """An engine that compares an image with the part, pixel by pixel, at the place where it has always been."""

    max_batch, same_size, streams = 4, True, 2

    def run(self, images, *, concurrent=False):
        self.seen = list(images)
        return [self.result(image) for image in images]

    def result(self, image):
        scale = np.iinfo(image.dtype).max
        values = np.abs(image[..., 0].astype(np.float32) / scale - part(0, noise=0.0)[..., 0] / np.float32(255))
        score = float(values[20:130, 20:180].mean()) * 2
        return EngineResult(
            pred_score=score,
            raw_score=score / 4,
            anomaly_map=values,
            pictures=LazyArrays({"impression": lambda: part(0, noise=0.0)}),
            component_maps=LazyArrays({"all": lambda: values}),
            shares={"all": score - 0.1, "none": 0.1},
        )


@pytest.fixture(scope="module")
def engine():
    alignment = fit_alignment([grey_of(part(seed)) for seed in range(4)], "similarity")
    return AlignedEngine(Difference(), alignment, slope=4.0)


def test_a_part_that_lies_askew_is_scored_as_if_it_lay_straight(engine):
    askew, _ = moved(part(50), angle=5, right=6, down=-3)
    straight, turned = engine.run([part(51), askew])
    plain = Difference().result(askew)
    assert turned.aligned
    assert straight.aligned
    assert plain.pred_score > 0.08
    assert turned.pred_score < straight.pred_score + 0.02
    assert (engine.max_batch, engine.same_size, engine.streams) == (4, True, 2)


def test_maps_and_pictures_lie_as_the_image_does(engine):
    image = part(50)
    image[95:103, 90:98] = 255
    askew, _ = moved(image, angle=5, right=6, down=-3)
    mark = np.zeros_like(image)
    mark[95:103, 90:98] = 255
    where = moved(mark, angle=5, right=6, down=-3)[0][..., 0] > 128
    (result,) = engine.run([askew])
    assert result.anomaly_map.shape == askew.shape[:2]
    assert result.anomaly_map[where].mean() > 4 * np.median(result.anomaly_map)
    assert np.array_equal(result.component_maps["all"], result.anomaly_map)
    inner = (slice(45, 105), slice(60, 140))
    # The restored image, brought back, is the part as it lies.
    before = moved(part(0, noise=0.0), angle=5, right=6, down=-3)[0]
    assert np.abs(result.pictures["impression"][inner].astype(int) - before[inner]).mean() < 6


def test_what_cannot_be_registered_is_not_hidden(engine):
    other = np.random.default_rng(0).integers(0, 256, part().shape).astype(np.uint8) // 4 + 70
    (result,) = engine.run([other])
    plain = Difference().result(other)
    assert result.aligned is False
    assert plain.pred_score < 1.0
    assert result.pred_score == pytest.approx(1.0)
    assert result.raw_score - plain.raw_score == pytest.approx((1.0 - plain.pred_score) / 4.0)
    assert sum(result.shares.values()) == pytest.approx(result.pred_score)
    assert np.array_equal(result.anomaly_map, plain.anomaly_map)
    prediction = Predictor(engine).predict(other)
    assert prediction.pred_label
    assert prediction.as_row("x.png")["aligned"] is False


def test_rows_of_a_model_that_aligns_nothing_are_as_they_were():
    prediction = Predictor(Difference()).predict(part())
    assert "aligned" not in json.loads(json.dumps(prediction.as_row("x.png")))


def test_images_of_16_bits_reach_the_engine_as_such(engine):
    engine.run([part(5).astype(np.uint16) * 257])
    assert engine.engine.seen[0].dtype == np.uint16
