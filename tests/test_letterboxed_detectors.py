"""A letterbox from the training to the export: images keep their aspect, and the frame changes nothing."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from tests import fabricate
from tests.conftest import TINY
from tests.explained import NAMES
from utad import UTAD, load_detector
from utad.data.letterbox import framed_mask
from utad.data.region_of_interest import RegionOfInterest
from utad.export.writing import export_detector
from utad.inputs import iterate_samples

HEIGHT, WIDTH = 40, 100
GOOD = [fabricate.picture(HEIGHT, WIDTH, seed=seed) for seed in range(12)]
BAD = fabricate.defective(HEIGHT, WIDTH, seed=30)


@pytest.fixture(scope="module")
def detector():
    return UTAD(overrides=[*TINY, "image.letterbox=true"]).fit(GOOD)


def test_an_image_is_scored_as_it_is_in_its_frame(detector):
    prediction = detector.predict(BAD)
    assert prediction.anomaly_map.shape == (HEIGHT, WIDTH)
    assert prediction.inside is None  # all of the image counts
    framed = detector.letterbox.region.filled(detector.letterbox.framed(BAD))
    assert framed.shape == (WIDTH, WIDTH, 3)
    (inner,) = detector.engine.engine.run([framed])
    assert prediction.raw_score == inner.raw_score
    top = (WIDTH - HEIGHT) // 2
    np.testing.assert_array_equal(prediction.anomaly_map, inner.anomaly_map[top : top + HEIGHT])
    for name in NAMES:
        np.testing.assert_array_equal(prediction.pictures[name], inner.pictures[name][top : top + HEIGHT])
    for name, values in prediction.component_maps.items():
        np.testing.assert_array_equal(values, inner.component_maps[name][top : top + HEIGHT])
    assert prediction.pred_score > max(detector.predict(image).pred_score for image in GOOD)


def test_what_stands_in_the_frame_changes_nothing(detector):
    other = copy.copy(detector.letterbox)
    object.__setattr__(other, "framed", lambda image: np.pad(image, [(30, 30), (0, 0), (0, 0)], mode="edge"))
    engine = copy.copy(detector.engine)
    engine.letterbox = other
    (one,), (two,) = (made.run([BAD]) for made in (detector.engine, engine))
    assert one.raw_score == two.raw_score
    np.testing.assert_array_equal(one.anomaly_map, two.anomaly_map)


def test_the_networks_see_the_aspect_of_the_images(detector):
    network = detector.network_
    assert network.region is detector.letterbox.region
    assert network.working_region.positions(10).sum(axis=0).tolist() == [4] * 10
    assert detector.normal_images.nearest(detector.predict(GOOD[3]).code, 1)[0].thumbnail.shape == (26, 64, 3)


@pytest.mark.parametrize("graph_format", ["onnx", "openvino"])
def test_the_letterbox_stays_with_model_and_exports(detector, graph_format, tmp_path):
    found = detector.predict(BAD)
    detector.save(tmp_path / "m.safetensors")
    loaded = UTAD.load(tmp_path / "m.safetensors")
    assert loaded.config.image.letterbox
    assert loaded.predict(BAD).pred_score == pytest.approx(found.pred_score, abs=1e-5)
    normal = list(iterate_samples(GOOD[:4]))
    manifest = export_detector(detector, tmp_path / "graph", graph_format=graph_format, normal=normal)
    assert manifest.parity["score"] < 1e-3
    exported = load_detector(tmp_path / "graph")
    for image in (BAD, BAD.astype(np.uint16) * 256 + 77, fabricate.picture(60, 90, seed=40)):
        one, other = loaded.predict(image), exported.predict(image)
        assert other.pred_score == pytest.approx(one.pred_score, rel=1e-3, abs=5e-4)
        np.testing.assert_allclose(other.anomaly_map, one.anomaly_map, rtol=1e-3, atol=5e-3)
        assert other.inside is None
        assert other.impression.shape == image.shape
        assert np.abs(other.impression.astype(int) - one.impression).max() <= 1


def test_a_region_of_interest_goes_with_it():
    settings = ["image.letterbox=true", "image.roi=[0, 0, 0.5, 1]"]
    detector = UTAD(overrides=[*TINY, *settings]).fit(GOOD)
    left = detector.predict(BAD)
    assert left.inside[:, : WIDTH // 2].all()
    assert not left.inside[:, WIDTH // 2 :].any()
    assert np.array_equal(detector.letterbox.region.mask, framed_mask(detector.region.mask, WIDTH / HEIGHT))
    noise = np.random.default_rng(0).integers(0, 256, BAD.shape, np.uint8)
    changed = np.where(left.inside[..., None], BAD, noise)
    assert detector.predict(changed).pred_score == left.pred_score
    assert isinstance(detector.region, RegionOfInterest)


def test_square_images_are_trained_on_as_without_it():
    square = [fabricate.picture(40, 40, seed=seed) for seed in range(8)]
    plain, framed = (UTAD(overrides=[*TINY, *more]).fit(square) for more in ((), ("image.letterbox=true",)))
    assert framed.letterbox is None
    assert framed.predict(square[0]).pred_score == plain.predict(square[0]).pred_score
