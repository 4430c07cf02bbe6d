from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from tests import fabricate
from utad.data.region_of_interest import RegionOfInterest
from utad.data.tiling import Layout, Tiling
from utad.errors import ImageReadError, NonFiniteScoreError
from utad.predictor import Predictor
from utad.tiled_engine import TiledEngine
from utad.types import EngineResult, LazyArrays

TILING = Tiling(32, 8)


class Brightness:
    """Scores an image by its brightest pixel; the map is the brightness."""

    max_batch = 4
    same_size = True

    def __init__(self, *, streams: int = 1) -> None:
        self.streams = streams
        self.batches: list[int] = []
        self.concurrent: set[bool] = set()
        self.made: list[str] = []
        self._lock = threading.Lock()

    def run(self, images, *, concurrent: bool = False) -> Sequence[EngineResult]:
        with self._lock:
            self.batches.append(len(images))
            self.concurrent.add(concurrent)
        return [self._result(image) for image in images]

    def _result(self, image) -> EngineResult:
        brightness = image[..., 0].astype(np.float32) / np.iinfo(image.dtype).max
        raw = float(brightness.max())

        def made(name, values):
            self.made.append(name)
            return values

        return EngineResult(
            raw_score=raw,
            pred_score=2 * raw - 1,
            anomaly_map=brightness,
            pictures=LazyArrays({"impression": lambda: made("impression", (image >> 1).astype(np.uint8))}),
            component_maps=LazyArrays({"double": lambda: made("double", 2 * brightness)}),
            shares={"one": raw - 0.75, "two": raw - 0.25},
            code=np.array([raw], np.float32),
        )


def engine(inner=None, tiling: Tiling = TILING) -> TiledEngine:
    return TiledEngine(inner or Brightness(), tiling, slope=2.0)


@pytest.mark.parametrize("size", [(32, 32), (100, 70), (20, 90), (7, 5)])
def test_maps_and_pictures_are_those_of_the_whole_image(size):
    image = fabricate.picture(*size, seed=3)
    (result,) = engine().run([image])
    whole = Brightness()._result(image)
    assert np.allclose(result.anomaly_map, whole.anomaly_map, atol=1e-5)
    assert np.allclose(result.component_maps["double"], whole.component_maps["double"], atol=1e-5)
    assert np.array_equal(result.pictures["impression"], whole.pictures["impression"])
    assert (result.raw_score, result.pred_score) == (whole.raw_score, whole.pred_score)


def test_score_shares_and_code_are_those_of_the_highest_tile():
    image = np.zeros((100, 100, 3), np.uint8)
    image[70, 30] = 200
    (result,) = engine().run([image])
    assert result.raw_score == pytest.approx(200 / 255)
    assert sum(result.shares.values()) == pytest.approx(result.pred_score, abs=1e-12)
    assert result.code.tolist() == [np.float32(200 / 255)]


def test_an_image_has_the_highest_share_of_each_component_whichever_tile_has_it():
    class OfTwo(Brightness):
        """Two components: the brightest red, and the brightest blue."""

        def _result(self, image):
            red, blue = (float(image[..., channel].max()) / 255 for channel in (0, 2))
            raw = red + blue
            shares = {"red": 2 * red - 0.5, "blue": 2 * blue - 0.5}
            return replace(super()._result(image), raw_score=raw, pred_score=2 * raw - 1, shares=shares)

    image = np.zeros((100, 100, 3), np.uint8)
    image[5, 5] = 200, 0, 40
    image[90, 90] = 60, 0, 100
    (of_one,) = engine(OfTwo()).run([image])
    (of_all,) = engine(OfTwo(), replace(TILING, by_component=True)).run([image])
    assert of_one.raw_score == pytest.approx(240 / 255)
    assert of_all.raw_score == pytest.approx(300 / 255)
    assert of_all.shares == pytest.approx({"red": 400 / 255 - 0.5, "blue": 200 / 255 - 0.5})
    assert sum(of_all.shares.values()) == pytest.approx(of_all.pred_score)


def test_what_larger_images_have_more_of_is_taken_off_score_and_shares():
    tiling = Tiling(32, 8, area=2.0, growth=0.1)
    image = fabricate.picture(96, 128, seed=1)
    (with_growth,), (without,) = engine(tiling=tiling).run([image]), engine().run([image])
    excess = 0.1 * np.log(12 / 2)
    assert with_growth.raw_score == pytest.approx(without.raw_score - excess)
    assert with_growth.pred_score == pytest.approx(without.pred_score - 2.0 * excess)
    assert sum(with_growth.shares.values()) == pytest.approx(with_growth.pred_score, abs=1e-12)


def test_tiles_come_in_batches_and_pictures_are_made_when_they_are_looked_at():
    inner = Brightness()
    (result,) = engine(inner).run([fabricate.picture(100, 100)])
    assert inner.batches == [4, 4, 4, 4]
    assert inner.made == []
    assert set(result.pictures) == {"impression"}
    result.component_maps["double"]
    assert inner.made == ["double"] * 16


def test_several_streams_score_at_once_and_give_the_same():
    image = fabricate.picture(200, 150, seed=2)
    inner = Brightness(streams=3)
    (several,), (one,) = engine(inner).run([image]), engine().run([image])
    assert inner.concurrent == {True}
    assert np.array_equal(several.anomaly_map, one.anomaly_map)
    assert several.raw_score == one.raw_score
    few = Brightness(streams=3)
    engine(few).run([fabricate.picture(32, 32)])
    assert few.concurrent == {False}


def test_images_of_16_bits_stay_so():
    image = fabricate.picture(50, 60).astype(np.uint16) * 200
    (result,) = engine().run([image])
    assert np.allclose(result.anomaly_map, image[..., 0] / 65535, atol=1e-5)


def test_a_predictor_keeps_order_and_sizes():
    images = [fabricate.picture(40 + 30 * index, 90, seed=index) for index in range(4)]
    predictions = Predictor(engine()).predict(images)
    assert [prediction.anomaly_map.shape for prediction in predictions] == [image.shape[:2] for image in images]
    assert [prediction.raw_score for prediction in predictions] == pytest.approx(
        [image[..., 0].max() / 255 for image in images]
    )


def test_a_score_that_is_no_number_is_not_passed_over():
    class Broken(Brightness):
        def _result(self, image):
            result = super()._result(image)
            return (
                EngineResult(raw_score=np.nan, pred_score=np.nan, anomaly_map=result.anomaly_map)
                if (image == 9).any()
                else result
            )

    image = np.full((100, 100, 3), 50, np.uint8)
    image[5, 5] = 9
    with pytest.raises(NonFiniteScoreError):
        Predictor(engine(Broken())).predict(image)


def test_only_what_lies_in_the_region_is_scored():
    mask = np.zeros((64, 96), bool)
    mask[:, :30] = True
    found = TiledEngine(Brightness(), TILING, RegionOfInterest(mask, (5, 6, 7)), slope=2.0)
    image = np.full((64, 96, 3), 100, np.uint8)
    image[10:12, 20:22] = 200
    image[10:12, 60:62] = 255
    (result,) = found.run([image])
    assert result.raw_score == pytest.approx(200 / 255)
    assert np.array_equal(result.inside, mask)
    assert np.allclose(result.anomaly_map[mask], image[..., 0][mask] / 255)
    assert np.allclose(result.anomaly_map[~mask], 100 / 255)
    assert np.allclose(result.component_maps["double"], 2 * result.anomaly_map)
    assert (result.pictures["impression"][~mask] == (5, 6, 7)).all()


def test_an_image_too_small_for_the_region_is_named():
    mask = np.zeros((64, 96), bool)
    mask[:, 40:44] = True
    found = TiledEngine(Brightness(), TILING, RegionOfInterest(mask, (5, 6, 7)), slope=2.0)
    with pytest.raises(ImageReadError, match="2 x 40 pixels lies in the region of interest"):
        Predictor(found).predict(np.zeros((40, 2, 3), np.uint8))


class Placed(Brightness):
    """Knows where tiles lie, and refuses those whose place it is not told."""

    def __init__(self) -> None:
        super().__init__()
        self.places: list[int] = []

    def run(self, images, *, concurrent: bool = False):
        raise AssertionError("got tiles without their places")

    def run_placed(self, images, places, *, concurrent: bool = False):
        assert len(images) == len(places)
        self.places += places
        return super().run(images, concurrent=concurrent)


def test_a_tile_brings_its_place_where_places_have_statistics():
    inner = Placed()
    tiled = engine(inner, replace(TILING, layout=Layout(2, 3)))
    tiled.run([fabricate.picture(56, 80), fabricate.picture(80, 56), fabricate.picture(30, 30)])
    assert inner.places == [*range(6), *[6] * 6, 6]
