from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests import fabricate
from utad import Sample, load_config
from utad.errors import DataError, ImageReadError, NonFiniteScoreError
from utad.export.exported import ExportedDetector
from utad.export.manifest import Manifest, read_manifest
from utad.export.ports import PICTURES, SCORES


class Mean:
    """An engine whose score is the mean of the image."""

    stack, workers = 4, 2

    def __init__(self) -> None:
        self.batches = []
        self.calls = []

    def run(self, images, names, *, alone=True):
        assert images.dtype == np.uint8
        self.batches.append(images.shape)
        self.calls.append((tuple(names), alone))
        scores = images.mean(axis=(1, 2, 3), dtype=np.float32) / 255
        maps = np.broadcast_to(scores[:, None, None], images.shape[:3]).copy()
        pictures = {name: images for name in ("impression", "naive_impression", "reconstruction")}
        found = {
            "pred_score": scores,
            "raw_score": 2 * scores,
            "anomaly_map": maps,
            "pred_mask": maps > 0.5,
            **pictures,
        }
        return {name: found[name] for name in names}


@pytest.fixture
def engine():
    return Mean()


@pytest.fixture
def exported(engine):
    config = load_config().model_dump(mode="json")
    manifest = Manifest("onnx", "fp32", config, 3, 128, 0.5, {}, {"utad": "0.1.0"}, {})
    return ExportedDetector(manifest, engine)


def filled(value: int, height: int = 4, width: int = 5, dtype=np.uint8):
    return np.full((height, width, 3), value, dtype)


def test_predictions_come_in_order_and_have_the_size_of_their_image(exported):
    images = [filled(0), filled(51), filled(102, 3, 2), filled(153), filled(255)]
    predictions = exported.predict(images, batch_size=2)
    assert [p.pred_score for p in predictions] == pytest.approx([0.0, 0.2, 0.4, 0.6, 1.0])
    assert [p.raw_score for p in predictions] == pytest.approx([0.0, 0.4, 0.8, 1.2, 2.0])
    assert [p.pred_label for p in predictions] == [False, False, False, True, True]
    assert [p.anomaly_map.shape for p in predictions] == [image.shape[:2] for image in images]
    assert predictions[3].pred_mask.dtype == bool
    assert not predictions[2].term_maps


def test_neighbours_of_one_size_share_a_batch(exported, engine):
    exported.predict([filled(0)] * 5 + [filled(0, 7, 7)] + [filled(0)], batch_size=3)
    assert [shape[0] for shape in engine.batches] == [3, 2, 1, 1]


def test_large_images_go_one_by_one(exported, engine, monkeypatch):
    monkeypatch.setattr("utad.data.streaming.STACK_PIXELS", 30)
    exported.predict([filled(0)] * 2 + [filled(0, 3, 5)] * 2, batch_size=8)
    assert [shape[0] for shape in engine.batches] == [1, 1, 2]


@pytest.mark.parametrize(("count", "batch_size", "alone"), [(1, 8, True), (7, 8, True), (8, 8, False), (20, 2, True)])
def test_stacks_are_for_as_many_images_as_keep_the_cores_busy(count, batch_size, alone, exported, engine):
    exported.predict([filled(51)] * count, batch_size=batch_size)
    assert {call for _, call in engine.calls} == {alone}


def test_pictures_are_computed_when_they_are_asked_for(exported, engine):
    prediction = exported.predict(filled(51))
    assert engine.calls == [(SCORES, True)]
    assert np.array_equal(prediction.impression, filled(51))
    assert np.array_equal(prediction.reconstruction, filled(51))
    assert engine.calls == [(SCORES, True), (PICTURES, True)]


def test_one_image_gives_one_prediction(exported, tmp_path):
    path = fabricate.save(tmp_path / "in" / "x.png", filled(51))
    assert exported.predict(path).pred_score == pytest.approx(0.2)
    assert len(exported.predict(path.parent)) == 1


def test_sixteen_bits_are_rounded_to_eight(exported):
    assert exported.predict(filled(257 * 51 + 100, dtype=np.uint16)).pred_score == pytest.approx(0.2)


def test_an_unreadable_file_gives_its_error_in_its_place(exported, tmp_path):
    samples = [Sample("a", filled(51)), Sample("gone", tmp_path / "gone.png"), Sample("b", filled(102))]
    outcomes = list(exported.predict_samples(samples))
    assert [sample.name for sample, _ in outcomes] == ["a", "gone", "b"]
    assert isinstance(outcomes[1][1], ImageReadError)
    assert outcomes[2][1].pred_score == pytest.approx(0.4)
    with pytest.raises(ImageReadError, match=r"gone\.png"):
        exported.predict(Path(tmp_path / "gone.png"))


@pytest.mark.parametrize("name", ["pred_score", "anomaly_map"])
def test_a_score_that_is_not_finite_is_never_handed_out(exported, engine, name):
    run = engine.run

    def spoilt(images, names, *, alone):
        arrays = dict(run(images, names, alone=alone))
        arrays[name] = np.full_like(arrays[name], np.nan)
        return arrays

    engine.run = spoilt
    with pytest.raises(NonFiniteScoreError, match="image 1 is not finite"):
        exported.predict([filled(0), filled(1)], batch_size=2)


def test_the_threshold_is_set_from_labels_and_kept(exported, tmp_path):
    samples = [Sample(f"{value}", filled(value), anomalous=value > 100) for value in (51, 102, 153)]
    outcome = exported.calibrate_labelled(samples)
    assert outcome.threshold == pytest.approx(0.3)
    exported.save_threshold(tmp_path)
    assert read_manifest(tmp_path).threshold == exported.threshold == outcome.threshold
    with pytest.raises(DataError, match="none of the images has a label"):
        exported.calibrate_labelled([Sample("x", filled(1))])
