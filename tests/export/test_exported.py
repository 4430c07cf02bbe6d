from __future__ import annotations

import os
import pickle
from dataclasses import replace

import numpy as np
import pytest

from utad import load_config
from utad.errors import InputError, ModelFileError
from utad.export.exported import ExportedDetector, ExportEngine
from utad.export.graph_io import PICTURES, SCORES, component_outputs
from utad.export.manifest import Manifest, read_manifest, write_manifest

MAPS = component_outputs(2)


class Mean:
    """A graph whose score is the mean of the image."""

    max_batch, streams = 4, 2

    def __init__(self) -> None:
        self.calls = []

    def run(self, images, names, *, places=None, concurrent=False):
        assert images.dtype == np.uint8
        self.calls.append((tuple(names), concurrent))
        scores = images.mean(axis=(1, 2, 3), dtype=np.float32) / 255
        maps = np.broadcast_to(scores[:, None, None], images.shape[:3]).copy()
        found = {"pred_score": scores, "raw_score": 2 * scores, "anomaly_map": maps, "pred_mask": maps > 0.5}
        found |= dict.fromkeys(PICTURES, images) | {MAPS[0]: maps, MAPS[1]: 3 * maps}
        return {name: found[name] for name in names}


@pytest.fixture
def graph():
    return Mean()


@pytest.fixture
def exported(graph):
    config = load_config().model_dump(mode="json")
    manifest = Manifest("onnx", "fp32", config, 3, 128, 0.5, {}, {"utad": "0.1.0"}, {}, ["near", "far"])
    return ExportedDetector(manifest, ExportEngine(graph, manifest))


def filled(value: int, height: int = 4, width: int = 5, dtype=np.uint8):
    return np.full((height, width, 3), value, dtype)


def test_pictures_and_component_maps_are_computed_when_they_are_asked_for(exported, graph):
    prediction = exported.predict(filled(51))
    assert prediction.pred_score == pytest.approx(0.2)
    assert prediction.raw_score == pytest.approx(0.4)
    assert graph.calls == [(SCORES, False)]
    assert np.array_equal(prediction.impression, filled(51))
    assert np.array_equal(prediction.reconstruction, filled(51))
    assert graph.calls == [(SCORES, False), (PICTURES, False)]
    assert list(prediction.component_maps) == ["near", "far"]
    assert len(graph.calls) == 2
    assert float(prediction.component_maps["far"][2, 3]) == pytest.approx(0.6)
    assert float(prediction.component_maps["near"][0, 0]) == pytest.approx(0.2)
    assert graph.calls[2:] == [(MAPS, False)]


def test_what_is_stored_needs_no_runtime(exported, graph):
    stored = pickle.loads(pickle.dumps(exported.predict(filled(51))))
    calls = len(graph.calls)
    assert np.array_equal(stored.impression, filled(51))
    assert float(stored.component_maps["far"][0, 0]) == pytest.approx(0.6)
    assert len(graph.calls) == calls


def test_the_image_may_change_before_its_pictures_are_looked_at(exported):
    image = filled(51)
    prediction = exported.predict(image)
    image[:] = 0  # as a camera's driver does
    assert np.array_equal(prediction.impression, filled(51))


def test_a_graph_of_before_refuses_sixteen_bits_and_takes_eight_stretched_to_sixteen(exported):
    assert exported.predict(filled(257 * 51, dtype=np.uint16)).pred_score == pytest.approx(0.2)
    with pytest.raises(InputError, match="takes images of 8 bits, and got one of 16"):
        exported.predict(filled(257 * 51 + 100, dtype=np.uint16))


def test_the_colours_of_the_training_are_kept(exported, tmp_path, caplog):
    manifest = replace(exported.manifest, colour_order={"red_minus_blue": [0.5] * 16})
    write_manifest(tmp_path, manifest)
    detector = ExportedDetector(read_manifest(tmp_path), exported.engine)
    warm = filled(1) * np.array([200, 160, 120], np.uint8)
    detector.predict([warm] * 3)
    assert not caplog.records
    detector.predict([warm[..., ::-1]] * 3)
    assert ["red and blue look exchanged" in record.message for record in caplog.records] == [True]


def test_the_threshold_is_kept(exported, tmp_path):
    exported.threshold = 0.3
    exported.save_threshold(tmp_path)
    assert read_manifest(tmp_path).threshold == 0.3
    assert read_manifest(tmp_path).components == ["near", "far"]


def test_a_graph_that_cannot_be_opened_anew_says_so_in_a_child_that_was_forked_off(exported, monkeypatch):
    exported.predict(filled(51))
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with pytest.raises(ModelFileError, match="do not survive a fork"):
        exported.predict(filled(51))
